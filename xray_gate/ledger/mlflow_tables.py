"""Of MLflow's own tables in the registry's database, the columns that the ledger's questions name.

Written down here, as the ledger also works where MLflow's classes are not loaded.
"""

from sqlalchemy import column, table

versions = table(
    "model_versions",
    *map(column, ("workspace", "name", "version", "status", "current_stage")),
    *map(column, ("source", "storage_location")),
)
aliases = table("registered_model_aliases", *map(column, ("workspace", "name", "version", "alias")))
model_tags = table("registered_model_tags", *map(column, ("workspace", "name", "key", "value")))
