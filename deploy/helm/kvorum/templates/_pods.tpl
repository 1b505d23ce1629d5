{{/* What all pods have in common: nodes, jobs and the test. */}}

{{/* Of a pod's spec: identity without a token, security, where images come from. */}}
{{- define "kvorum.podBasics" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of a pod's spec: where it may run. */}}
{{- define "kvorum.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of a container: the image and its security. */}}
{{- define "kvorum.containerBasics" -}}
image: {{ include "kvorum.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A probe: GET of a path, with the numbers of the values. Takes (list "/path" numbers). */}}
{{- define "kvorum.probe" -}}
httpGet:
  path: {{ index . 0 }}
  port: http
{{ toYaml (index . 1) }}
{{- end -}}

{{/* topologySpreadConstraints of the nodes, one for each key that is not switched off. */}}
{{- define "kvorum.topologySpread" -}}
{{- $root := . -}}
{{- range $key, $spread := dict "topology.kubernetes.io/zone" .Values.topologySpread.zone "kubernetes.io/hostname" .Values.topologySpread.host }}
{{- if $spread.enabled }}
- topologyKey: {{ $key }}
  maxSkew: {{ $spread.maxSkew }}
  whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
  # A machine that takes no pods (control plane, cordoned, down) does not count as an empty place.
  nodeTaintsPolicy: Honor
  labelSelector:
    matchLabels:
      {{- include "kvorum.nodeLabels" $root | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The spec of a pod that runs one kvorum command through the client Service and ends. Takes a dict:
root, name (of the container), args, resources, and optionally serviceAccountName, env,
volumes, volumeMounts.
*/}}
{{- define "kvorum.commandPod" -}}
{{- $root := .root -}}
restartPolicy: Never
{{- with .serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{ include "kvorum.podBasics" $root }}
{{- with include "kvorum.placement" $root | trim }}{{ . | nindent 0 }}{{ end }}
containers:
  - name: {{ .name }}
    {{- include "kvorum.containerBasics" $root | nindent 4 }}
    args:
      {{- toYaml .args | nindent 6 }}
    env:
      - name: KVORUM_ENDPOINT
        value: {{ include "kvorum.endpoint" $root | quote }}
      {{- with .env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- with .volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
