"""Who makes the request that is being answered, where MLflow's auth app has made sure of it."""

from flask import g, has_request_context


def signed_in_user() -> str | None:
    """The user that MLflow's auth app has authenticated, or None.

    The app puts the name there once the password was right. What a request says of itself is not
    looked at: without the app anybody could say anything.
    """
    if not has_request_context():
        return None
    user = getattr(g, "mlflow_authenticated_user", None)
    return user if isinstance(user, str) else None
