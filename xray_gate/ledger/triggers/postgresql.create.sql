-- What refuses promotions in PostgreSQL, whoever writes. Blank lines separate statements.
--
-- Functions and no views, and triggers without lists of columns: a view would keep MLflow's
-- migrations from changing its columns. The functions run with their owner's rights, so that a
-- second MLflow server can have a role that may neither read nor write the ledger.

CREATE FUNCTION xray_gate_admits(
    of_workspace text, of_name text, of_version integer, of_location text
) RETURNS boolean LANGUAGE plpgsql AS $xray_gate$
BEGIN
    -- Whoever withdraws or refuses the version must wait for this promotion, or this for them.
    PERFORM 1
    FROM xray_gate_registrations AS l
    WHERE l.workspace = of_workspace AND l.name = of_name AND l.version = of_version
    FOR SHARE;
    RETURN EXISTS (
        SELECT 1
        FROM xray_gate_registrations AS r
        WHERE r.workspace = of_workspace AND r.name = of_name AND r.version = of_version
            AND r.location = of_location
            AND r.state = 'admitted'
            AND NOT EXISTS (
                SELECT 1
                FROM xray_gate_registrations AS newer
                WHERE newer.workspace = r.workspace AND newer.name = r.name
                    AND newer.version = r.version
                    AND newer.id > r.id AND newer.state <> 'deleted'
            )
            AND 1 = (
                -- What exceptions admitted is admitted until the first of them ends.
                SELECT CASE
                    WHEN v.admits_until <= extract(epoch FROM clock_timestamp()) THEN 0
                    ELSE v.admits
                END
                FROM xray_gate_verdicts AS v
                WHERE v.registration_id = r.id
                ORDER BY v.id DESC
                LIMIT 1
            )
    );
END
$xray_gate$

CREATE FUNCTION xray_gate_may_be_ready(
    of_workspace text, of_name text, of_version integer, of_location text
) RETURNS boolean LANGUAGE plpgsql AS $xray_gate$
BEGIN
    -- A policy may let a version be READY, and no more: unscanned, or whatever its verdict.
    RETURN EXISTS (
        SELECT 1
        FROM xray_gate_registrations AS r
        WHERE r.workspace = of_workspace AND r.name = of_name AND r.version = of_version
            AND r.location = of_location
            AND (
                r.state = 'unscanned'
                OR (r.state = 'admitted' AND 2 = (
                    SELECT CASE
                        WHEN v.admits_until <= extract(epoch FROM clock_timestamp()) THEN 0
                        ELSE v.admits
                    END
                    FROM xray_gate_verdicts AS v
                    WHERE v.registration_id = r.id
                    ORDER BY v.id DESC
                    LIMIT 1
                ))
            )
            AND NOT EXISTS (
                SELECT 1
                FROM xray_gate_registrations AS newer
                WHERE newer.workspace = r.workspace AND newer.name = r.name
                    AND newer.version = r.version
                    AND newer.id > r.id AND newer.state <> 'deleted'
            )
    );
END
$xray_gate$

CREATE FUNCTION xray_gate_is_prompt(
    of_workspace text, of_name text, of_source text, of_location text
) RETURNS boolean LANGUAGE plpgsql AS $xray_gate$
BEGIN
    -- The tag alone is not believed: a prompt has no files.
    RETURN coalesce(of_source, '') IN ('dummy-source', 'prompt-template')
        AND coalesce(of_location, '') IN ('dummy-source', 'prompt-template')
        AND EXISTS (
            SELECT 1
            FROM registered_model_tags AS t
            WHERE t.workspace = of_workspace AND t.name = of_name
                AND t.key = 'mlflow.prompt.is_prompt' AND lower(t.value) = 'true'
        );
END
$xray_gate$

CREATE FUNCTION xray_gate_is_free(
    of_workspace text, of_name text, of_version integer, of_kind text, of_value text
) RETURNS boolean LANGUAGE plpgsql AS $xray_gate$
BEGIN
    RETURN EXISTS (
        SELECT 1
        FROM xray_gate_free_promotions AS f
        WHERE f.workspace = of_workspace AND f.name = of_name AND f.version = of_version
            AND f.kind = of_kind AND f.value = of_value
    );
END
$xray_gate$

CREATE FUNCTION xray_gate_check_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $xray_gate$
DECLARE
    location text := coalesce(nullif(NEW.storage_location, ''), NEW.source);
    -- Without these words a version is as good as READY to MLflow's clients.
    is_ready boolean :=
        coalesce(NEW.status, '') NOT IN ('PENDING_REGISTRATION', 'FAILED_REGISTRATION');
    is_staged boolean := coalesce(NEW.current_stage, 'None') NOT IN ('None', 'Archived');
    old_name text := NEW.name;
    old_workspace text := NEW.workspace;
    is_moved boolean := true;
BEGIN
    IF NEW.current_stage = 'Deleted_Internal' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        old_name := OLD.name;
        old_workspace := OLD.workspace;
        is_moved := OLD.workspace <> NEW.workspace OR OLD.name <> NEW.name
            OR OLD.version <> NEW.version
            OR OLD.source IS DISTINCT FROM NEW.source
            OR OLD.storage_location IS DISTINCT FROM NEW.storage_location
            OR coalesce(OLD.current_stage = 'Deleted_Internal', false);
        is_ready := is_ready AND (is_moved OR OLD.status IS DISTINCT FROM NEW.status);
        is_staged :=
            is_staged AND (is_moved OR OLD.current_stage IS DISTINCT FROM NEW.current_stage);
    END IF;
    is_ready := is_ready
        AND NOT xray_gate_may_be_ready(NEW.workspace, NEW.name, NEW.version, location);
    IF NOT is_ready
        AND NOT (is_staged AND NOT xray_gate_is_free(
            NEW.workspace, NEW.name, NEW.version, 'stage', NEW.current_stage
        ))
        AND NOT (is_moved AND EXISTS (
            SELECT 1
            FROM registered_model_aliases AS a
            WHERE a.workspace = NEW.workspace AND a.name = NEW.name AND a.version = NEW.version
                AND NOT xray_gate_is_free(a.workspace, a.name, a.version, 'alias', a.alias)
        ))
    THEN
        RETURN NULL;
    END IF;
    -- A cascade of a new name may reach the tags later.
    IF NOT xray_gate_admits(NEW.workspace, NEW.name, NEW.version, location)
        AND NOT xray_gate_is_prompt(NEW.workspace, NEW.name, NEW.source, location)
        AND NOT xray_gate_is_prompt(old_workspace, old_name, NEW.source, location)
    THEN
        RAISE EXCEPTION USING MESSAGE = 'xray-gate: the ledger admits no version '
            || NEW.name || '/' || NEW.version || ' at its place, so it cannot be READY, be in a '
            || 'stage or have an alias; use the MLflow server that has the gate';
    END IF;
    RETURN NULL;
END
$xray_gate$

CREATE FUNCTION xray_gate_close_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $xray_gate$
BEGIN
    -- The gate lets the ledger follow a new name first: what is still under the old one was left.
    IF TG_OP = 'UPDATE' THEN
        IF OLD.workspace = NEW.workspace AND OLD.name = NEW.name AND OLD.version = NEW.version
            AND NEW.current_stage IS DISTINCT FROM 'Deleted_Internal'
        THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE xray_gate_registrations
    SET state = 'deleted'
    WHERE workspace = OLD.workspace AND name = OLD.name AND version = OLD.version
        AND state <> 'deleted';
    RETURN NULL;
END
$xray_gate$

CREATE FUNCTION xray_gate_check_alias() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $xray_gate$
DECLARE
    held record;
    location text;
    old_name text := NEW.name;
    old_workspace text := NEW.workspace;
    is_renamed boolean := false;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.workspace = NEW.workspace AND OLD.name = NEW.name
            AND OLD.version = NEW.version AND OLD.alias = NEW.alias
        THEN
            RETURN NULL;
        END IF;
        old_name := OLD.name;
        old_workspace := OLD.workspace;
        is_renamed := OLD.version = NEW.version AND OLD.alias = NEW.alias;
    END IF;
    IF xray_gate_is_free(NEW.workspace, NEW.name, NEW.version, 'alias', NEW.alias) THEN
        RETURN NULL;
    END IF;
    SELECT m.source, m.storage_location, m.current_stage INTO held
    FROM model_versions AS m
    WHERE m.workspace = NEW.workspace AND m.name = NEW.name AND m.version = NEW.version;
    IF FOUND THEN
        location := coalesce(nullif(held.storage_location, ''), held.source);
        IF held.current_stage = 'Deleted_Internal'
            OR xray_gate_admits(NEW.workspace, NEW.name, NEW.version, location)
            OR xray_gate_is_prompt(NEW.workspace, NEW.name, held.source, location)
            OR xray_gate_is_prompt(old_workspace, old_name, held.source, location)
        THEN
            RETURN NULL;
        END IF;
    ELSIF is_renamed AND EXISTS (
        -- A cascade may bring the alias first: the version's own trigger looks at it then.
        SELECT 1
        FROM model_versions AS m
        WHERE m.workspace = OLD.workspace AND m.name = OLD.name AND m.version = OLD.version
    ) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING MESSAGE = 'xray-gate: the ledger admits no version '
        || NEW.name || '/' || NEW.version || ' at its place, so it cannot take the alias '
        || quote_literal(NEW.alias) || '; use the MLflow server that has the gate';
END
$xray_gate$

CREATE FUNCTION xray_gate_only_grows() RETURNS trigger
LANGUAGE plpgsql AS $xray_gate$
BEGIN
    RAISE EXCEPTION USING MESSAGE =
        'xray-gate: evidence and verdicts are kept as they were written; record new ones instead';
END
$xray_gate$

CREATE FUNCTION xray_gate_log_moves_on() RETURNS trigger
LANGUAGE plpgsql AS $xray_gate$
BEGIN
    -- A lock is a change that changes nothing.
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id
            AND (NEW.seq > OLD.seq OR (NEW.seq = OLD.seq AND NEW.hash = OLD.hash))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION USING MESSAGE =
        'xray-gate: the audit log only grows; append to it instead';
END
$xray_gate$

CREATE FUNCTION xray_gate_is_added() RETURNS trigger
LANGUAGE plpgsql AS $xray_gate$
BEGIN
    IF (OLD.id, OLD.registration_id, OLD.digest, OLD.kind, OLD.value, OLD.justification,
            OLD.ticket, OLD.opened_by, OLD.opened_at, OLD.until)
        IS DISTINCT FROM
        (NEW.id, NEW.registration_id, NEW.digest, NEW.kind, NEW.value, NEW.justification,
            NEW.ticket, NEW.opened_by, NEW.opened_at, NEW.until)
        OR (OLD.used_at IS NOT NULL AND OLD.used_at IS DISTINCT FROM NEW.used_at)
        OR (OLD.reviewed_at IS NOT NULL
            AND (OLD.reviewed_at, OLD.reviewed_by, OLD.note, OLD.used_at)
            IS DISTINCT FROM (NEW.reviewed_at, NEW.reviewed_by, NEW.note, NEW.used_at))
    THEN
        RAISE EXCEPTION USING MESSAGE = 'xray-gate: a break-glass promotion is kept as it was '
            || 'written; its use and its review are added once';
    END IF;
    RETURN NEW;
END
$xray_gate$

-- A role's own temporary tables must not stand in for the ledger's.
DO $xray_gate$
DECLARE
    trigger_function text;
BEGIN
    FOREACH trigger_function IN ARRAY
        ARRAY['xray_gate_check_version', 'xray_gate_close_version', 'xray_gate_check_alias']
    LOOP
        EXECUTE 'ALTER FUNCTION ' || quote_ident(trigger_function) || '() SET search_path TO '
            || 'pg_catalog, ' || quote_ident(current_schema()) || ', pg_temp';
    END LOOP;
END
$xray_gate$

CREATE TRIGGER xray_gate_version_check
AFTER INSERT OR UPDATE ON model_versions
FOR EACH ROW EXECUTE FUNCTION xray_gate_check_version()

CREATE TRIGGER xray_gate_version_close
AFTER UPDATE OR DELETE ON model_versions
FOR EACH ROW EXECUTE FUNCTION xray_gate_close_version()

CREATE TRIGGER xray_gate_alias_check
AFTER INSERT OR UPDATE ON registered_model_aliases
FOR EACH ROW EXECUTE FUNCTION xray_gate_check_alias()

CREATE TRIGGER xray_gate_scans_grow
BEFORE UPDATE OR DELETE ON xray_gate_scans
FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_scans_stay
BEFORE TRUNCATE ON xray_gate_scans
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_verdicts_grow
BEFORE UPDATE OR DELETE ON xray_gate_verdicts
FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_verdicts_stay
BEFORE TRUNCATE ON xray_gate_verdicts
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_revocations_grow
BEFORE UPDATE OR DELETE ON xray_gate_revocations
FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_revocations_stay
BEFORE TRUNCATE ON xray_gate_revocations
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_log_grow
BEFORE UPDATE OR DELETE ON xray_gate_log
FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_log_stay
BEFORE TRUNCATE ON xray_gate_log
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_log_head_grow
BEFORE UPDATE OR DELETE ON xray_gate_log_head
FOR EACH ROW EXECUTE FUNCTION xray_gate_log_moves_on()

CREATE TRIGGER xray_gate_log_head_stay
BEFORE TRUNCATE ON xray_gate_log_head
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_log_moves_on()

CREATE TRIGGER xray_gate_break_glass_added
BEFORE UPDATE ON xray_gate_break_glass
FOR EACH ROW EXECUTE FUNCTION xray_gate_is_added()

CREATE TRIGGER xray_gate_break_glass_grow
BEFORE DELETE ON xray_gate_break_glass
FOR EACH ROW EXECUTE FUNCTION xray_gate_only_grows()

CREATE TRIGGER xray_gate_break_glass_stay
BEFORE TRUNCATE ON xray_gate_break_glass
FOR EACH STATEMENT EXECUTE FUNCTION xray_gate_only_grows()

-- What was deleted past the gate before there were triggers must not be inherited either.
UPDATE xray_gate_registrations
SET state = 'deleted'
WHERE state <> 'deleted'
    AND NOT EXISTS (
        SELECT 1
        FROM model_versions AS m
        WHERE m.workspace = xray_gate_registrations.workspace
            AND m.name = xray_gate_registrations.name
            AND m.version = xray_gate_registrations.version
            AND coalesce(m.current_stage, 'None') <> 'Deleted_Internal'
    )
