{{- define "kai.labels" -}}
app.kubernetes.io/name: kai
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Every pod that is KAI: the bot, and the pod of `helm test`. Policies of ours and of the probes select these. */ -}}
{{- define "kai.pods" -}}
app.kubernetes.io/name: kai
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The bot alone: what its Deployment, Service and disruption budget select. */ -}}
{{- define "kai.bot" -}}
{{ include "kai.pods" . }}
app.kubernetes.io/component: bot
{{- end }}

{{- define "kai.account" -}}
{{- (.Values.serviceAccount | default dict).name | default .Release.Name }}
{{- end }}

{{- define "kai.image" -}}
{{- include "kai.reference" (dict "image" .Values.image "usual" .Chart.AppVersion) }}
{{- end }}

{{- /* KAI's own image unless probe.image says something else; what it says of tag or digest says it alone. */ -}}
{{- define "kai.probeImage" -}}
{{- $said := .Values.probe.image }}
{{- $own := ternary (omit .Values.image "tag" "digest") .Values.image (or (hasKey $said "tag") (hasKey $said "digest")) }}
{{- include "kai.reference" (dict "image" (merge (dict) $said $own) "usual" .Chart.AppVersion) }}
{{- end }}

{{- define "kai.reference" -}}
{{- $repository := required "image.repository: name your image of KAI (docs/install.md says how to build it)" .image.repository }}
{{- if .image.digest }}{{ $repository }}@{{ .image.digest }}{{ else }}{{ $repository }}:{{ .image.tag | default .usual }}{{ end }}
{{- end }}

{{- define "kai.slackSecret" -}}
{{- .Values.slack.secretName | default (printf "%s-slack" .Release.Name) }}
{{- end }}

{{- /* One container of KAI is like the other: same image, same account, same way to the relay and to the probes. */ -}}
{{- define "kai.security" -}}
runAsNonRoot: true
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: ["ALL"]}
{{- end }}

{{- define "kai.podSecurity" -}}
runAsNonRoot: true
{{- if ne (toString .Values.bot.ownUser) "false" }}{{/* also where values of an older chart are reused */}}
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /*
How the relay and the probes are reached. Without a server KAI asks hubble-relay.kube-system.svc.
`optional`, here and below: the doctor starts without a Secret and says that it is missing; the bot waits for it.
*/ -}}
{{- define "kai.sightEnv" -}}
{{- $more := ternary ", optional: true" "" .optional }}
{{- with .root }}
{{- $hubble := .Values.hubble }}
{{- if and (not $hubble.tls.enabled) (or $hubble.tls.secretName $hubble.tls.clientCertificate $hubble.tls.serverName) }}
{{- fail "hubble.tls says how, and hubble.tls.enabled is false: nothing of it would hold" }}
{{- end }}
{{- if and $hubble.tls.clientCertificate (not $hubble.tls.secretName) }}
{{- fail "hubble.tls.clientCertificate needs hubble.tls.secretName: the Secret with ca.crt, tls.crt and tls.key" }}
{{- end }}
{{- with $hubble.server }}
- {name: HUBBLE_SERVER, value: {{ . | quote }}}
{{- end }}
{{- if $hubble.tls.enabled }}
- {name: HUBBLE_TLS, value: "true"}
{{- if $hubble.tls.secretName }}
- {name: HUBBLE_TLS_CA_CERT_FILES, value: /etc/kai/hubble-tls/ca.crt}
{{- if $hubble.tls.clientCertificate }}
- {name: HUBBLE_TLS_CLIENT_CERT_FILE, value: /etc/kai/hubble-tls/tls.crt}
- {name: HUBBLE_TLS_CLIENT_KEY_FILE, value: /etc/kai/hubble-tls/tls.key}
{{- end }}
{{- end }}
{{- with $hubble.tls.serverName }}
- {name: HUBBLE_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if .Values.probe.enabled }}
- {name: KAI_PROBE_NAMESPACE, value: {{ .Values.probe.namespace | quote }}}
- {name: KAI_PROBE_PORT, value: {{ .Values.probe.port | quote }}}
- {name: KAI_PROBE_TLS, value: /etc/kai/probe-tls}
{{- end }}
{{- if .Values.claude.secretName }}
- name: ANTHROPIC_API_KEY
  valueFrom: {secretKeyRef: {name: {{ .Values.claude.secretName }}, key: {{ .Values.claude.key }}{{ $more }}}}
{{- with .Values.claude.model }}
- {name: KAI_MODEL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "kai.sightMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.probe.enabled }}
- {name: probe-tls, mountPath: /etc/kai/probe-tls, readOnly: true}
{{- end }}
{{- if and .Values.hubble.tls.enabled .Values.hubble.tls.secretName }}
- {name: hubble-tls, mountPath: /etc/kai/hubble-tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "kai.sightVolumes" -}}
{{- $more := ternary ", optional: true" "" .optional }}
{{- with .root }}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- if .Values.probe.enabled }}
- name: probe-tls
  secret: {secretName: {{ .Release.Name }}-probe-client, defaultMode: 0440{{ $more }}}
{{- end }}
{{- if and .Values.hubble.tls.enabled .Values.hubble.tls.secretName }}
- name: hubble-tls
  secret: {secretName: {{ .Values.hubble.tls.secretName }}, defaultMode: 0440{{ $more }}}
{{- end }}
{{- end }}
{{- end }}

{{- /* What `kai serve` is told, and what `kai doctor` looks at: the settings file, and where the secrets are. */ -}}
{{- define "kai.settingsEnv" -}}
- {name: KAI_CONFIG, value: /etc/kai/settings/config.yaml}
- {name: KAI_SLACK_MODE, value: {{ .Values.slack.mode | quote }}}
- {name: SLACK_BOT_TOKEN_FILE, value: /etc/kai/slack/bot-token}
{{- if eq .Values.slack.mode "socket" }}
- {name: SLACK_APP_TOKEN_FILE, value: /etc/kai/slack/app-token}
{{- else }}
- {name: SLACK_SIGNING_SECRET_FILE, value: /etc/kai/slack/signing-secret}
{{- end }}
{{- range $name, $variable := (include "kai.alertSecrets" . | fromJson) }}
{{- $secret := get $.Values.alerts $name }}
{{- if $secret.name }}
- {name: {{ $variable }}_FILE, value: /etc/kai/alerts/{{ trimSuffix "Secret" $name }}/{{ $secret.key }}}
{{- end }}
{{- end }}
{{- with .Values.alerts.tls }}
{{- if .secretName }}
- {name: KAI_ALERT_TLS_CERT, value: /etc/kai/alerts-tls/tls.crt}
- {name: KAI_ALERT_TLS_KEY, value: /etc/kai/alerts-tls/tls.key}
- {name: KAI_ALERT_CLIENT_CA, value: /etc/kai/alerts-{{ ternary "ca" "tls" (ne .clientCa.name "") }}/{{ .clientCa.key }}}
- {name: KAI_ALERT_TLS_PORT, value: {{ .port | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "kai.alertSecrets" -}}
{{- toJson (dict "tokenSecret" "KAI_ALERT_TOKEN" "pagerdutySecret" "KAI_ALERT_PAGERDUTY_SECRET" "grafanaSecret" "KAI_ALERT_GRAFANA_SECRET") }}
{{- end }}

{{- define "kai.settingsMounts" -}}
- {name: settings, mountPath: /etc/kai/settings, readOnly: true}
- {name: slack, mountPath: /etc/kai/slack, readOnly: true}
{{- if .Values.clusters.secretName }}
- {name: clusters, mountPath: /etc/kai/clusters, readOnly: true}
{{- end }}
{{- range $name, $variable := (include "kai.alertSecrets" . | fromJson) }}
{{- if (get $.Values.alerts $name).name }}
- {name: alerts-{{ trimSuffix "Secret" $name }}, mountPath: /etc/kai/alerts/{{ trimSuffix "Secret" $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- range $name, $secret := (include "kai.alertTls" . | fromJson) }}
- {name: alerts-{{ $name }}, mountPath: /etc/kai/alerts-{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{- /* Volumes of your own; a name of the chart's would be there twice, and the API server refuses that. */ -}}
{{- define "kai.extraVolumes" -}}
{{- range .Values.bot.extraVolumes }}
{{- if or (has .name (list "tmp" "data" "database" "probe-tls" "hubble-tls" "settings" "slack" "clusters")) (hasPrefix "alerts-" .name) }}
{{- fail (printf "bot.extraVolumes: %q is a volume of the chart's: give yours another name" .name) }}
{{- end }}
{{- end }}
{{- with .Values.bot.extraVolumes }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "kai.settingsVolumes" -}}
{{- $root := .root }}
{{- $more := ternary ", optional: true" "" .optional }}
- {name: settings, configMap: {name: {{ $root.Release.Name }}-settings}}
- name: slack
  secret: {secretName: {{ include "kai.slackSecret" $root }}, defaultMode: 0440{{ $more }}}
{{- with $root.Values.clusters.secretName }}
- name: clusters
  secret: {secretName: {{ . }}, defaultMode: 0440{{ $more }}}
{{- end }}
{{- range $name, $variable := (include "kai.alertSecrets" $root | fromJson) }}
{{- with (get $root.Values.alerts $name).name }}
- name: alerts-{{ trimSuffix "Secret" $name }}
  secret: {secretName: {{ . }}, defaultMode: 0440{{ $more }}}
{{- end }}
{{- end }}
{{- range $name, $secret := (include "kai.alertTls" $root | fromJson) }}
- name: alerts-{{ $name }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440{{ $more }}}
{{- end }}
{{- end }}

{{- /* The Secrets of the port with TLS: KAI's own certificate, and the callers' authority where it is elsewhere. */ -}}
{{- define "kai.alertTls" -}}
{{- $tls := .Values.alerts.tls }}
{{- $found := dict }}
{{- if $tls.secretName }}{{ $_ := set $found "tls" $tls.secretName }}{{ end }}
{{- if and $tls.secretName $tls.clientCa.name }}{{ $_ := set $found "ca" $tls.clientCa.name }}{{ end }}
{{- toJson $found }}
{{- end }}

{{- /* The ports that callers reach: HTTP, and the one with TLS where it is wanted. */ -}}
{{- define "kai.ports" -}}
{{- $tls := .Values.alerts.tls }}
{{- $ports := list (dict "name" "http" "port" 8080) }}
{{- if $tls.secretName }}{{ $ports = append $ports (dict "name" "hooks" "port" (int $tls.port)) }}{{ end }}
{{- toJson (dict "ports" $ports) }}
{{- end }}
