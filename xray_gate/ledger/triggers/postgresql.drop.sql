-- Every function that any release made; its triggers go with it. Blank lines separate statements.

DROP FUNCTION IF EXISTS xray_gate_check_version() CASCADE

DROP FUNCTION IF EXISTS xray_gate_close_version() CASCADE

DROP FUNCTION IF EXISTS xray_gate_check_alias() CASCADE

DROP FUNCTION IF EXISTS xray_gate_only_grows() CASCADE

DROP FUNCTION IF EXISTS xray_gate_log_moves_on() CASCADE

DROP FUNCTION IF EXISTS xray_gate_is_added() CASCADE

DROP FUNCTION IF EXISTS xray_gate_admits(text, text, integer, text) CASCADE

DROP FUNCTION IF EXISTS xray_gate_is_prompt(text, text, text, text) CASCADE

DROP FUNCTION IF EXISTS xray_gate_is_free(text, text, integer, text, text) CASCADE

DROP FUNCTION IF EXISTS xray_gate_may_be_ready(text, text, integer, text) CASCADE
