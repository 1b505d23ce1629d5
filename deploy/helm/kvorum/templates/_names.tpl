{{/* Names and labels, by Helm's conventions. */}}

{{- define "kvorum.name" -}}
{{- .Values.nameOverride | default .Chart.Name | replace "." "-" | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of nearly everything: at most 45 characters, because a CronJob may have 52 ("-backup"), a
StatefulSet 52 (its pods bear "<name>-<hash>" as a label), a Service 63 ("-headless"). What is longer
ends in a hash, so that two long names do not become one. Dots, which a release may have and a
Service may not, become dashes.
*/}}
{{- define "kvorum.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- end -}}
{{- $full = $full | replace "." "-" -}}
{{- if gt (len $full) 45 -}}
{{- $full = printf "%s-%s" (trunc 38 $full | trimSuffix "-") (sha256sum $full | trunc 6) -}}
{{- end -}}
{{- $full -}}
{{- end -}}

{{- define "kvorum.headless" -}}
{{- include "kvorum.fullname" . }}-headless
{{- end -}}

{{- define "kvorum.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "kvorum.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What selects the objects of one release; immutable, like a StatefulSet's selector. */}}
{{- define "kvorum.releaseLabels" -}}
app.kubernetes.io/name: {{ include "kvorum.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pods that are nodes; those of jobs have another component. */}}
{{- define "kvorum.nodeLabels" -}}
{{ include "kvorum.releaseLabels" . }}
app.kubernetes.io/component: node
{{- end -}}

{{/*
Labels of an object. Takes (list $ "component"), and optionally labels of that object alone, which win
over the common ones. Not for pod templates: the version of the chart would restart every pod.
*/}}
{{- define "kvorum.labels" -}}
{{- $root := index . 0 -}}
{{- $own := gt (len .) 2 | ternary (last .) nil | default dict -}}
{{- with merge (dict) $own ($root.Values.commonLabels | default dict) }}{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "kvorum.releaseLabels" $root }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: kvorum
app.kubernetes.io/version: {{ $root.Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{/* Labels of a job's pod. Takes (list $ "component"). */}}
{{- define "kvorum.jobPodLabels" -}}
{{- $root := index . 0 -}}
{{- with merge (dict) ($root.Values.jobPodLabels | default dict) ($root.Values.commonLabels | default dict) }}{{ toYaml . }}
{{ end -}}
{{ include "kvorum.releaseLabels" $root }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* metadata.annotations of an object. Takes (list $ own-annotations), or nothing is printed. */}}
{{- define "kvorum.annotations" -}}
{{- $all := merge (dict) (index . 1 | default dict) ((index . 0).Values.commonAnnotations | default dict) -}}
{{- if $all -}}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "kvorum.image" -}}
{{- $image := .Values.image -}}
{{- $reference := $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $reference $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $reference ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
