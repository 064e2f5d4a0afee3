#!/bin/sh
# Run once by the database's image, when the database is made: the logins of the processes, which own nothing. The same roles
# as `bihuan db roles` prints; the owner is the image's own user.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$PROCESS_PASSWORD" --set sweep_password="$SWEEP_PASSWORD" <<'SQL'
CREATE ROLE bihuan_organisation NOLOGIN;
CREATE ROLE bihuan_across NOLOGIN;
CREATE ROLE bihuan LOGIN PASSWORD :'password' IN ROLE bihuan_organisation;
CREATE ROLE bihuan_sweep LOGIN PASSWORD :'sweep_password' IN ROLE bihuan_across;
SQL
