{{- define "kvcluster.name" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end -}}

{{- define "kvcluster.labels" -}}
app.kubernetes.io/name: kvcluster
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ringkv
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/*
A part of the specification without what says nothing, so that the CRD's defaults hold. No spread at
all says something: it takes the place of that over nodes and zones.
*/}}
{{- define "kvcluster.said" -}}
{{- $said := dict -}}
{{- range $key, $value := . -}}
{{- if or $value (and (eq $key "topologySpreadConstraints") (kindIs "slice" $value)) -}}
{{- $_ := set $said $key $value -}}
{{- end -}}
{{- end -}}
{{- with $said }}{{ toYaml . }}{{ end -}}
{{- end -}}
