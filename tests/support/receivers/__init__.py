"""The receiving ends of the system: mail, webhooks, traces and the live stream; nothing here sends."""
