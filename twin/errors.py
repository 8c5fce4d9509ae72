"""The error tree: every error class of LiveTwin.

::

    TwinError
    ├── AccountFileError       a file with the account of a role cannot be used
    ├── BackupError            a backup file cannot be written or read
    ├── BrokerAccountError     a device cannot have its own MQTT account
    ├── CityError              a city folder is wrong; carries every fault
    ├── ConfigurationError     a setting is missing or wrong
    ├── DossierError           a dossier cannot be made, read or verified
    ├── DownloadError          a calendar cannot be downloaded
    ├── ExpressionError        a rule expression is wrong or fails
    ├── FaultPlanError         a plan of simulated faults is wrong
    ├── HoleError              log records are missing at a partition
    ├── IssuerError            an issuer of access tokens cannot be asked, or its answer cannot be used
    │   └── KeySetError              its keys cannot be read
    ├── JsonNestingError       JSON text is nested too deeply
    ├── KafkaPasswordError     the password of a role at Kafka cannot be written
    ├── LeaseLostError         another process works, or the log of the lease is gone
    ├── MessageError           a record between two roles cannot be read
    │   └── NewerLeaseLayoutError    a record of a lease was written by a newer program
    ├── MigrationError         the database schema cannot be migrated
    ├── ModelConflictError     the city model changed since it was read
    ├── PasswordFileError      a password file of Mosquitto is wrong
    ├── PayloadError           a device's message cannot be used; carries the reason
    ├── PositionConflictError  another process moved the log positions
    ├── PushKeyError           the key of web push is wrong
    ├── QueryError             a history query cannot be answered
    ├── RecordBatchError       a batch of log records is malformed
    ├── RecordingError         a recorded feed cannot be read
    │   └── TooManyValuesError       a replay would have too many values
    ├── RegistrationError      decoders or feeds contradict each other
    ├── ReplayError            the log cannot be read from a cursor on
    ├── RestoreError           a backup cannot be restored
    ├── RolesError             the roles of the database cannot be created
    ├── SecretFileError        a file with a secret cannot be read
    ├── ServiceError           a required service is missing or refuses
    │   ├── LogReplacedError         the log was replaced by another
    │   └── MqttConnectionLostError  the MQTT connection is lost
    ├── SigningError           a signing key or a signature cannot be used
    ├── SinkError              sending to that address is not allowed
    ├── TlsError               a certificate or key is wrong
    ├── TokenError             an API key cannot be created or revoked
    ├── TooManyFiringsError    a rule fires too often in a back-test
    ├── TooManyOverridesError  a team has too many duty overrides
    ├── TooManySubscriptionsError  a contact has too many browsers for messages
    ├── UnitError              a unit does not convert into another
    ├── UnknownRuleError       no rule has that id
    └── VersionConflictError   a rule or a maintenance window changed since it was read

Outside of the tree, because they never reach a person: CursorError, MissingSecretError, OffsetError,
ProblemError and ProtocolError.

A message names its subject, what was found, what was expected and, where a person can act, what to do.
"""

from __future__ import annotations


class TwinError(Exception):
    """Base of all errors that LiveTwin raises on purpose."""


class UnitError(TwinError):
    """A unit is unknown or does not convert into the canonical unit."""


class MessageError(TwinError):
    """This version cannot read a record of the log."""


class ServiceError(TwinError):
    """A service or program that LiveTwin needs is missing, unreachable or refuses."""
