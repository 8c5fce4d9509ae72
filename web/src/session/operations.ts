/**
 * The operations of the API that need a role, by their ids in `/v1/openapi.json`.
 *
 * `GET /v1/principal` names those that one may do by method and path.
 */

export const OPERATIONS = {
  acknowledgeAlarm: "POST /v1/alarms/{id}/_acknowledge",
  acknowledgeIncident: "POST /v1/incidents/{id}/_acknowledge",
  assignAlarm: "POST /v1/alarms/{id}/_assign",
  assignDevice: "POST /v1/unassigned-devices/_assign",
  assignIncident: "POST /v1/incidents/{id}/_assign",
  backtestRule: "POST /v1/rules/_backtest",
  commentOnAlarm: "POST /v1/alarms/{id}/_comment",
  commentOnIncident: "POST /v1/incidents/{id}/_comment",
  createDutyOverride: "POST /v1/duty/overrides",
  createPushSubscription: "POST /v1/duty/push-subscriptions",
  createSubscription: "POST /v1/subscriptions",
  deleteDutyOverride: "DELETE /v1/duty/overrides/{id}",
  deleteMaintenanceWindow: "DELETE /v1/maintenance-windows/{id}",
  deletePushSubscription: "DELETE /v1/duty/push-subscriptions/{id}",
  deleteRule: "DELETE /v1/rules/{id}",
  exportCity: "GET /v1/city/export",
  getAlarmStatistics: "GET /v1/alarms/_statistics",
  getDossier: "GET /v1/alarms/{id}/dossier",
  getOnCallContacts: "GET /v1/duty/on-call",
  listAuditRecords: "GET /v1/audit-records",
  listDutyOverrides: "GET /v1/duty/overrides",
  listNotifications: "GET /v1/notifications",
  listPushSubscriptions: "GET /v1/duty/push-subscriptions",
  listShifts: "GET /v1/duty/roster",
  listSubscriptions: "GET /v1/subscriptions",
  putMaintenanceWindow: "PUT /v1/maintenance-windows/{id}",
  putRule: "PUT /v1/rules/{id}",
  removeAlarm: "POST /v1/alarms/{id}/_remove",
  replayQuarantinedMessage: "POST /v1/quarantine/{id}/_replay",
  replayQuarantinedMessages: "POST /v1/quarantine/_replay",
  resetAlarm: "POST /v1/alarms/{id}/_reset",
  restoreAlarm: "POST /v1/alarms/{id}/_restore",
  shelveAlarm: "POST /v1/alarms/{id}/_shelve",
  snoozeIncident: "POST /v1/incidents/{id}/_snooze",
  unshelveAlarm: "POST /v1/alarms/{id}/_unshelve",
} as const;

export type Operation = keyof typeof OPERATIONS;
