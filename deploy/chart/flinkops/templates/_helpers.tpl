{{- define "flinkops.name" -}}
{{- if contains "flinkops" .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-flinkops" .Release.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "flinkops.selector" -}}
app.kubernetes.io/name: flinkops-exporter
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "flinkops.labels" -}}
{{ include "flinkops.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "flinkops.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "flinkops.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "flinkops.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* The watched namespaces as a JSON list. */ -}}
{{- define "flinkops.namespaces" -}}
{{- .Values.watch.namespaces | default (list .Release.Namespace) | uniq | toJson }}
{{- end }}
