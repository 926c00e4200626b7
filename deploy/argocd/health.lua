-- Argo CD: the health of FlinkDeployment, FlinkSessionJob and FlinkBlueGreenDeployment, for operators 1.7 and newer.
-- deploy/argocd/argocd-cm.yaml has it as Argo CD reads it. What is not known is never Healthy.
local waiting = {CREATED = true, INITIALIZING = true, RECONCILING = true, RESTARTING = true, CANCELLING = true, FAILING = true, SUSPENDED = true}

local function say(status, message)
  return {status = status, message = message}
end

-- A field that is a text with something in it, else nil.
local function text(value)
  if type(value) == "string" and value ~= "" then return value end
  return nil
end

local function table_of(value)
  if type(value) == "table" then return value end
  return {}
end

-- Errors of the operator are JSON with a stack trace in them: the beginning says enough.
local function short(message)
  message = string.gsub(message, "%c", " ")
  if string.len(message) > 300 then return string.sub(message, 1, 300) .. " ..." end
  return message
end

local function of_job(state, wanted)
  if state == "RUNNING" then return say("Healthy", "the job is RUNNING") end
  if state == "FINISHED" then return say("Healthy", "the job has FINISHED") end
  if state == "FAILED" then return say("Degraded", "the job has FAILED") end
  if state == "CANCELED" then
    if wanted == "suspended" then return say("Suspended", "the job is suspended") end
    return say("Degraded", "the job was CANCELED, and should run")
  end
  if state == nil then return say("Progressing", "the operator has not seen a job yet") end
  if waiting[state] then return say("Progressing", "the job is " .. state) end
  return say("Unknown", "the job's state is " .. state)
end

local function of_blue_green(status)
  local state = text(status.blueGreenState)
  if state == nil then return say("Progressing", "the operator has not acted yet") end
  if string.find(state, "^ACTIVE_") == nil then
    if string.find(state, "^INITIALIZING_") or string.find(state, "^TRANSITIONING_") or string.find(state, "^SAVEPOINTING_") then
      return say("Progressing", state)
    end
    return say("Unknown", "the pair's state is " .. state)
  end
  -- A transition that was aborted leaves the old child running: what was asked for is not what runs.
  if text(status.error) then return say("Degraded", state .. ": " .. short(status.error)) end
  local found = of_job(text(table_of(status.jobStatus).state), nil)
  found.message = state .. ": " .. found.message
  return found
end

local function of_lifecycle(status, wanted, session_cluster)
  local lifecycle = text(status.lifecycleState)
  local manager = text(status.jobManagerDeploymentStatus)
  local reconciliation = text(table_of(status.reconciliationStatus).state)
  local state = text(table_of(status.jobStatus).state)
  if lifecycle == "FAILED" then
    return say("Degraded", short(text(status.error) or "the operator says FAILED"))
  end
  if lifecycle == "ROLLED_BACK" or reconciliation == "ROLLED_BACK" then
    return say("Degraded", "the operator rolled back to the spec before: what runs is not what is in the manifest")
  end
  -- Also with a running job: a spec that is refused leaves the old one running.
  if text(status.error) then return say("Degraded", short(status.error)) end
  if wanted == "suspended" then
    if lifecycle == "SUSPENDED" then return say("Suspended", "suspended, as the manifest says") end
    return say("Progressing", "is being suspended")
  end
  if lifecycle == nil or lifecycle == "CREATED" or lifecycle == "UPGRADING" or lifecycle == "ROLLING_BACK" or lifecycle == "SUSPENDED" or lifecycle == "DELETING" then
    return say("Progressing", lifecycle or "the operator has not acted yet")
  end
  if lifecycle ~= "STABLE" and lifecycle ~= "DEPLOYED" and lifecycle ~= "DELETED" then
    return say("Unknown", "the operator's state is " .. lifecycle)
  end
  -- STABLE is said during the rollback of a failed upgrade too, while the JobManager is still being deployed.
  if manager == "ERROR" or (manager == "MISSING" and state ~= "FINISHED") then
    return say("Degraded", "the JobManager is " .. manager)
  end
  if manager ~= nil and manager ~= "READY" and state ~= "FINISHED" then
    return say("Progressing", "the JobManager is " .. manager)
  end
  if session_cluster then return say("Healthy", "the session cluster is up") end
  local found = of_job(state, wanted)
  if lifecycle == "DEPLOYED" and found.status == "Healthy" then return say("Progressing", found.message .. ", not stable yet") end
  return found
end

local status = table_of(obj.status)
local spec = table_of(obj.spec)
local seen = status.observedGeneration -- of operators since 1.8
local generation = table_of(obj.metadata).generation
if next(status) == nil then
  return say("Progressing", "the operator has not acted yet")
end
if type(seen) == "number" and type(generation) == "number" and seen < generation and not text(status.error) then
  return say("Progressing", "the operator has not acted on the last change yet")
end
if obj.kind == "FlinkBlueGreenDeployment" then
  return of_blue_green(status)
end
return of_lifecycle(status, text(table_of(spec.job).state), obj.kind == "FlinkDeployment" and spec.job == nil)
