-- What refuses promotions in SQLite, whoever writes. Blank lines separate statements.
--
-- RAISE takes a constant only, so the messages name no version. A cascade of a new name reaches
-- versions, aliases and tags in an order that SQLite does not promise; where that matters, the
-- old name is looked at, too.

CREATE VIEW xray_gate_prompts AS
SELECT workspace, name
FROM registered_model_tags
WHERE key = 'mlflow.prompt.is_prompt' AND lower(value) = 'true'

-- Versions that nothing admits: neither the newest verdict on their place nor their being a prompt.
CREATE VIEW xray_gate_unadmitted AS
SELECT
    m.workspace, m.name, m.version,
    -- Without these words a version is as good as READY to MLflow's clients.
    coalesce(m.status, '') NOT IN ('PENDING_REGISTRATION', 'FAILED_REGISTRATION')
        -- A policy may let a version be READY, and no more: unscanned, or whatever its verdict.
        AND NOT EXISTS (
            SELECT 1
            FROM xray_gate_registrations AS r
            WHERE r.workspace = m.workspace AND r.name = m.name AND r.version = m.version
                AND r.location = coalesce(nullif(m.storage_location, ''), m.source)
                AND (
                    r.state = 'unscanned'
                    OR (r.state = 'admitted' AND 2 = (
                        SELECT CASE
                            WHEN v.admits_until <= CAST(strftime('%s', 'now') AS INTEGER) THEN 0
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
        ) AS is_ready,
    coalesce(m.current_stage, 'None') NOT IN ('None', 'Archived') AS is_staged,
    m.current_stage AS stage,
    coalesce(m.source, '') IN ('dummy-source', 'prompt-template')
        AND coalesce(nullif(m.storage_location, ''), m.source)
            IN ('dummy-source', 'prompt-template') AS has_no_files
FROM model_versions AS m
WHERE coalesce(m.current_stage, 'None') <> 'Deleted_Internal'
    AND NOT EXISTS (
        SELECT 1
        FROM xray_gate_registrations AS r
        WHERE r.workspace = m.workspace AND r.name = m.name AND r.version = m.version
            AND r.location = coalesce(nullif(m.storage_location, ''), m.source)
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
                    WHEN v.admits_until <= CAST(strftime('%s', 'now') AS INTEGER) THEN 0
                    ELSE v.admits
                END
                FROM xray_gate_verdicts AS v
                WHERE v.registration_id = r.id
                ORDER BY v.id DESC
                LIMIT 1
            )
    )
    AND NOT (
        coalesce(m.source, '') IN ('dummy-source', 'prompt-template')
        AND coalesce(nullif(m.storage_location, ''), m.source)
            IN ('dummy-source', 'prompt-template')
        AND EXISTS (
            SELECT 1
            FROM xray_gate_prompts AS p
            WHERE p.workspace = m.workspace AND p.name = m.name
        )
    )

CREATE TRIGGER xray_gate_version_insert
AFTER INSERT ON model_versions
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the ledger admits no such version at this place, so it cannot be READY, be in a stage or have an alias; register it through the MLflow server that has the gate')
    FROM xray_gate_unadmitted AS u
    WHERE u.workspace = NEW.workspace AND u.name = NEW.name AND u.version = NEW.version
        AND (
            u.is_ready
            OR (u.is_staged AND NOT EXISTS (
                SELECT 1
                FROM xray_gate_free_promotions AS f
                WHERE f.workspace = NEW.workspace AND f.name = NEW.name
                    AND f.version = NEW.version AND f.kind = 'stage' AND f.value = u.stage
            ))
            OR EXISTS (
                SELECT 1
                FROM registered_model_aliases AS a
                WHERE a.workspace = NEW.workspace AND a.name = NEW.name
                    AND a.version = NEW.version
            )
        );
END

CREATE TRIGGER xray_gate_version_update
AFTER UPDATE OF workspace, name, version, status, current_stage, source, storage_location
ON model_versions
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the ledger admits no such version at this place, so it cannot become READY or be promoted, renamed or moved while it is; use the MLflow server that has the gate')
    FROM xray_gate_unadmitted AS u
    WHERE u.workspace = NEW.workspace AND u.name = NEW.name AND u.version = NEW.version
        AND (
            (u.is_ready AND OLD.status IS NOT NEW.status)
            OR (
                u.is_staged AND OLD.current_stage IS NOT NEW.current_stage
                AND NOT EXISTS (
                    SELECT 1
                    FROM xray_gate_free_promotions AS f
                    WHERE f.workspace = NEW.workspace AND f.name = NEW.name
                        AND f.version = NEW.version AND f.kind = 'stage' AND f.value = u.stage
                )
            )
            OR (
                (
                    OLD.workspace IS NOT NEW.workspace
                    OR OLD.name IS NOT NEW.name
                    OR OLD.version IS NOT NEW.version
                    OR OLD.source IS NOT NEW.source
                    OR OLD.storage_location IS NOT NEW.storage_location
                    OR OLD.current_stage IS 'Deleted_Internal'
                )
                AND (
                    u.is_ready
                    OR (u.is_staged AND NOT EXISTS (
                        SELECT 1
                        FROM xray_gate_free_promotions AS f
                        WHERE f.workspace = NEW.workspace AND f.name = NEW.name
                            AND f.version = NEW.version AND f.kind = 'stage' AND f.value = u.stage
                    ))
                    OR EXISTS (
                        SELECT 1
                        FROM registered_model_aliases AS a
                        WHERE a.workspace = NEW.workspace AND a.name = NEW.name
                            AND a.version = NEW.version
                            AND NOT EXISTS (
                                SELECT 1
                                FROM xray_gate_free_promotions AS f
                                WHERE f.workspace = a.workspace AND f.name = a.name
                                    AND f.version = a.version AND f.kind = 'alias'
                                    AND f.value = a.alias
                            )
                    )
                )
            )
        )
        AND NOT (u.has_no_files AND EXISTS (
            SELECT 1
            FROM xray_gate_prompts AS p
            WHERE p.workspace = OLD.workspace AND p.name = OLD.name
        ));
END

-- A name that is used again must not inherit what its last owner was admitted for.
CREATE TRIGGER xray_gate_version_gone
AFTER DELETE ON model_versions
BEGIN
    UPDATE xray_gate_registrations
    SET state = 'deleted'
    WHERE workspace = OLD.workspace AND name = OLD.name AND version = OLD.version;
END

-- The gate lets the ledger follow a new name first: what is still under the old one was left there.
CREATE TRIGGER xray_gate_version_moved
AFTER UPDATE OF workspace, name, version, current_stage ON model_versions
WHEN NEW.current_stage IS 'Deleted_Internal'
    OR OLD.workspace IS NOT NEW.workspace
    OR OLD.name IS NOT NEW.name
    OR OLD.version IS NOT NEW.version
BEGIN
    UPDATE xray_gate_registrations
    SET state = 'deleted'
    WHERE workspace = OLD.workspace AND name = OLD.name AND version = OLD.version;
END

CREATE TRIGGER xray_gate_alias_insert
AFTER INSERT ON registered_model_aliases
WHEN NOT EXISTS (
    SELECT 1
    FROM xray_gate_free_promotions AS f
    WHERE f.workspace = NEW.workspace AND f.name = NEW.name
        AND f.version = NEW.version AND f.kind = 'alias' AND f.value = NEW.alias
)
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the ledger admits no such version at its place, so it can take no alias; use the MLflow server that has the gate')
    WHERE EXISTS (
        SELECT 1
        FROM xray_gate_unadmitted AS u
        WHERE u.workspace = NEW.workspace AND u.name = NEW.name AND u.version = NEW.version
    )
    -- A version that comes later must not find an alias waiting for it.
    OR NOT EXISTS (
        SELECT 1
        FROM model_versions AS m
        WHERE m.workspace = NEW.workspace AND m.name = NEW.name AND m.version = NEW.version
    );
END

CREATE TRIGGER xray_gate_alias_update
AFTER UPDATE ON registered_model_aliases
WHEN (
    OLD.workspace IS NOT NEW.workspace
    OR OLD.name IS NOT NEW.name
    OR OLD.version IS NOT NEW.version
    OR OLD.alias IS NOT NEW.alias
)
AND NOT EXISTS (
    SELECT 1
    FROM xray_gate_free_promotions AS f
    WHERE f.workspace = NEW.workspace AND f.name = NEW.name
        AND f.version = NEW.version AND f.kind = 'alias' AND f.value = NEW.alias
)
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the ledger admits no such version at its place, so it can take no alias; use the MLflow server that has the gate')
    WHERE EXISTS (
        SELECT 1
        FROM xray_gate_unadmitted AS u
        WHERE u.workspace = NEW.workspace AND u.name = NEW.name AND u.version = NEW.version
            AND NOT (u.has_no_files AND EXISTS (
                SELECT 1
                FROM xray_gate_prompts AS p
                WHERE p.workspace = OLD.workspace AND p.name = OLD.name
            ))
    )
    -- A cascade may bring the alias first: the version's own trigger looks at it then.
    OR NOT EXISTS (
        SELECT 1
        FROM model_versions AS m
        WHERE m.version = NEW.version
            AND (
                (m.workspace = NEW.workspace AND m.name = NEW.name)
                OR (
                    m.workspace = OLD.workspace AND m.name = OLD.name
                    AND OLD.version = NEW.version AND OLD.alias = NEW.alias
                )
            )
    );
END

CREATE TRIGGER xray_gate_scan_update
BEFORE UPDATE ON xray_gate_scans
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: evidence is kept as it was written; record a new scan instead');
END

CREATE TRIGGER xray_gate_scan_delete
BEFORE DELETE ON xray_gate_scans
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: evidence is kept for ever; leave it in place');
END

CREATE TRIGGER xray_gate_verdict_update
BEFORE UPDATE ON xray_gate_verdicts
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: a verdict is kept as it was written; record a new one instead');
END

CREATE TRIGGER xray_gate_verdict_delete
BEFORE DELETE ON xray_gate_verdicts
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: verdicts are kept for ever; leave it in place');
END

CREATE TRIGGER xray_gate_revocation_update
BEFORE UPDATE ON xray_gate_revocations
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: a withdrawal is kept as it was written; record a new one instead');
END

CREATE TRIGGER xray_gate_revocation_delete
BEFORE DELETE ON xray_gate_revocations
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: withdrawals are kept for ever; leave it in place');
END

CREATE TRIGGER xray_gate_log_update
BEFORE UPDATE ON xray_gate_log
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: a line of the audit log is kept as it was written; append another one instead');
END

CREATE TRIGGER xray_gate_log_delete
BEFORE DELETE ON xray_gate_log
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the audit log is kept for ever; leave it in place');
END

-- A lock is a change that changes nothing.
CREATE TRIGGER xray_gate_log_head_update
BEFORE UPDATE ON xray_gate_log_head
WHEN NOT (
    NEW.id = OLD.id AND (NEW.seq > OLD.seq OR (NEW.seq = OLD.seq AND NEW.hash = OLD.hash))
)
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the audit log only grows; append to it instead');
END

CREATE TRIGGER xray_gate_log_head_delete
BEFORE DELETE ON xray_gate_log_head
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: the audit log is kept for ever; leave it in place');
END

CREATE TRIGGER xray_gate_break_glass_update
BEFORE UPDATE ON xray_gate_break_glass
WHEN OLD.id IS NOT NEW.id
    OR OLD.registration_id IS NOT NEW.registration_id
    OR OLD.digest IS NOT NEW.digest
    OR OLD.kind IS NOT NEW.kind
    OR OLD.value IS NOT NEW.value
    OR OLD.justification IS NOT NEW.justification
    OR OLD.ticket IS NOT NEW.ticket
    OR OLD.opened_by IS NOT NEW.opened_by
    OR OLD.opened_at IS NOT NEW.opened_at
    OR OLD.until IS NOT NEW.until
    OR (OLD.used_at IS NOT NULL AND OLD.used_at IS NOT NEW.used_at)
    OR (OLD.reviewed_at IS NOT NULL AND (
        OLD.reviewed_at IS NOT NEW.reviewed_at
        OR OLD.reviewed_by IS NOT NEW.reviewed_by
        OR OLD.note IS NOT NEW.note
        OR OLD.used_at IS NOT NEW.used_at
    ))
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: a break-glass promotion is kept as it was written; its use and its review are added once');
END

CREATE TRIGGER xray_gate_break_glass_delete
BEFORE DELETE ON xray_gate_break_glass
BEGIN
    SELECT RAISE(ABORT, 'xray-gate: break-glass promotions are kept for ever; leave it in place');
END

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
