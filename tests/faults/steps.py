"""The steps of a scan and of its verdict's writing, as a sound run comes to them."""

BEFORE = (
    "heartbeat: UPDATE runners",
    "heartbeat: INSERT runners",
    "heartbeat: COMMIT",
    "heartbeat: committed",
    "claim: UPDATE registrations",
    "claim: COMMIT",
    "claim: committed",
    "policy_for: SELECT policy_sets",
    "policy_for: SELECT registered_model_tags",
)
FETCH = ("fetch: begins", "fetch: some files are here", "fetch: ends")
SCAN = (
    "scan: the digest is made",
    "scan: the model's process has begun",
    "scan: the model is open",
    "scan: model_xray is asking",
    "scan: the model is asked no more",
    "scan: the model is closed",
)
RENEW = (
    "renew: UPDATE registrations",
    "renew: UPDATE runners",
    "renew: COMMIT",
    "renew: committed",
)
KEEP = (
    "keep: begins",
    "keep: nothing is sent yet",
    "keep: half of the first file is sent",
    "keep: some files are sent",
    "keep: some files are read back",
    "keep: ends",
)
SIGN = ("withdrawn: SELECT revocations", "sign: begins", "sign: ends")
PUBLISH = (
    "publish: begins",
    "publish: the run is there",
    "publish: a score is logged",
    "publish: nothing is sent yet",
    "publish: half of the first file is sent",
    "publish: some files are sent",
    "publish: the run is about to end",
    "publish: ends",
)
FINISH = (
    "finish: LOCK revocations",
    "finish: SELECT revocations",
    "finish: UPDATE registrations",
    "finish: SELECT registrations",
    "finish: INSERT scans",
    "finish: UPDATE registrations (2)",
    "finish: INSERT verdicts",
    "finish: UPDATE registrations (3)",
    "finish: UPDATE model_versions",
    "finish: DELETE model_version_tags",
    "finish: INSERT model_version_tags",
    "finish: DELETE model_version_tags (2)",
    "finish: INSERT model_version_tags (2)",
    "finish: DELETE model_version_tags (3)",
    "finish: INSERT model_version_tags (3)",
    "finish: DELETE model_version_tags (4)",
    "finish: INSERT model_version_tags (4)",
    "finish: UPDATE log_head",
    "finish: INSERT log",
    "finish: UPDATE log_head (2)",
    "finish: COMMIT",
    "finish: committed",
)
PUT_BACK = (
    "put_back: UPDATE registrations",
    "put_back: SELECT registrations",
    "put_back: UPDATE model_versions",
    "put_back: COMMIT",
    "put_back: committed",
)
"""What follows a try that failed."""

STEPS = (*BEFORE, *FETCH, *SCAN, *RENEW, *KEEP, *SIGN, *PUBLISH, *FINISH)
"""Every one of them; a test holds them against a run, so that a new step has to be named here."""

SQL = tuple(step for step in STEPS if step.partition(": ")[2][:1].isupper())
"""Those before a statement or a COMMIT."""
