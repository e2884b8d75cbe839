-- Every name that any release gave to a trigger or a view. Blank lines separate statements.

DROP TRIGGER IF EXISTS xray_gate_version_insert

DROP TRIGGER IF EXISTS xray_gate_version_update

DROP TRIGGER IF EXISTS xray_gate_version_gone

DROP TRIGGER IF EXISTS xray_gate_version_moved

DROP TRIGGER IF EXISTS xray_gate_alias_insert

DROP TRIGGER IF EXISTS xray_gate_alias_update

DROP TRIGGER IF EXISTS xray_gate_scan_update

DROP TRIGGER IF EXISTS xray_gate_scan_delete

DROP TRIGGER IF EXISTS xray_gate_verdict_update

DROP TRIGGER IF EXISTS xray_gate_verdict_delete

DROP TRIGGER IF EXISTS xray_gate_revocation_update

DROP TRIGGER IF EXISTS xray_gate_revocation_delete

DROP TRIGGER IF EXISTS xray_gate_log_update

DROP TRIGGER IF EXISTS xray_gate_log_delete

DROP TRIGGER IF EXISTS xray_gate_log_head_update

DROP TRIGGER IF EXISTS xray_gate_log_head_delete

DROP TRIGGER IF EXISTS xray_gate_break_glass_update

DROP TRIGGER IF EXISTS xray_gate_break_glass_delete

DROP VIEW IF EXISTS xray_gate_unadmitted

DROP VIEW IF EXISTS xray_gate_prompts
