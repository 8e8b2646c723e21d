#!/bin/sh
# Runs once, when the volume is new. Baton's role is not a superuser, so row-level security applies to it; it may create roles and schemas.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$BATON_DB_PASSWORD" --username=postgres <<'SQL'
CREATE ROLE baton LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE baton OWNER baton;
SQL
