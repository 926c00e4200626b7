"""The ConfigMap in which the operator's autoscaler keeps its state of a job."""

from urllib.parse import quote

from flinkops.errors import Denied
from flinkops.model.json_reading import section
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink.http import NotFound
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.api import KubeClient, core_path, get_object, named_denial


def read_autoscaler_state(
    access: KubeAccess, namespace: str, name: str, *, deadline_seconds: float
) -> dict[str, str] | None:
    """Its data, None when there is none: the autoscaler has not assessed this job.

    Raises Denied with the missing permission, or Unreachable.
    """
    deadline = Deadline(deadline_seconds)
    client = KubeClient(access.endpoint())
    try:
        with client.enforced(deadline):
            return autoscaler_data(client, namespace, name, deadline)
    except NotFound:
        return None
    except Denied as problem:
        raise named_denial("get", "configmaps", namespace, problem) from None
    finally:
        client.close()


def autoscaler_data(client: KubeClient, namespace: str, name: str, deadline: Deadline) -> dict[str, str]:
    """Of the ConfigMap ``autoscaler-NAME``. Raises NotFound, Denied, Unreachable."""
    path = f"{core_path('configmaps', namespace)}/{quote(f'autoscaler-{name}', safe='')}"
    data = section(get_object(client, path, deadline), "data")
    return {str(key): value for key, value in data.items() if isinstance(value, str)}
