{{- /* At most 53 characters, as Helm and the schema have it, so that Services can be called by it with a suffix. */ -}}
{{- define "keyferry.fullname" -}}
{{- $name := coalesce .Values.fullnameOverride .Values.nameOverride .Release.Name | replace "." "-" -}}
{{- if not (regexMatch "^[a-z]" $name) -}}
{{- fail (printf "a Service's name begins with a letter, which %q does not: set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
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
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "keyferry.tester" -}}
app.kubernetes.io/name: keyferry-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "keyferry.labels" -}}
{{- include "keyferry.labelled" (list .) -}}
{{- end -}}

{{- define "keyferry.own" -}}
{{ include "keyferry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* Of a list (. more more): the chart's own labels, those for all objects, and those for this one, which win. */ -}}
{{- define "keyferry.labelled" -}}
{{- $own := include "keyferry.own" (first .) -}}
{{- $more := dict -}}
{{- range prepend (rest .) (first .).Values.commonLabels -}}
{{- range $key, $value := . -}}
{{- if hasKey ($own | fromYaml) $key -}}
{{- fail (printf "the label %s is the chart's own, by which its objects find each other: choose another key" $key) -}}
{{- end -}}
{{- $_ := set $more $key $value -}}
{{- end -}}
{{- end -}}
{{- $own -}}
{{- with $more }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- /* For what must outlive the release. Argo CD heeds Helm's word when an Application is deleted, not when it prunes. */ -}}
{{- define "keyferry.kept" -}}
argocd.argoproj.io/sync-options: Prune=false
helm.sh/resource-policy: keep
{{- end -}}
