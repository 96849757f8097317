{{- define "keyferry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- default .Release.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keyferry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "keyferry.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "keyferry.user" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "keyferry.serviceAccount" .) -}}
{{- end -}}

{{- define "keyferry.claim" -}}
{{- default (printf "%s-data" (include "keyferry.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}

{{- define "keyferry.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "keyferry.selector" -}}
app.kubernetes.io/name: keyferry
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "keyferry.labels" -}}
{{ include "keyferry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
