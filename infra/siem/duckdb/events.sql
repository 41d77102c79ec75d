-- DuckDB over the archive: the line as text first, so that no line is lost to a parser, then columns with types.
-- Set the folder or bucket, then read this file: SET VARIABLE archive = 's3://<ArchiveBucketName>'; .read events.sql
-- For S3: INSTALL httpfs; LOAD httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain);

-- One row per line; a line that DuckDB's JSON parser refuses (docs/siem/sql.md says which) has only the text.
CREATE OR REPLACE VIEW lines AS
SELECT event AS line, CASE WHEN json_valid(event) THEN event END::JSON AS event, service, date
FROM read_csv(getvariable('archive') || '/events/**/*.ndjson.gz', delim = '\x01', header = false, quote = '', escape = '',
  columns = {'event': 'VARCHAR'}, max_line_size = 17825792, hive_partitioning = true,
  hive_types = {'service': VARCHAR, 'date': DATE});

-- One row per event, users of the daily snapshots left out.
CREATE OR REPLACE VIEW events AS
SELECT
    service,
    date,
    try_cast(event->>'$.timestamp' AS TIMESTAMPTZ) AS time,
    event->>'$.id' AS id,
    event->>'$.organization' AS organization,
    event->>'$.event_type' AS event_type,
    try_cast(coalesce(event->>'$.success', event->>'$.sso_token_success') AS BOOLEAN) AS success,
    event->>'$.error_message' AS error_message,
    try_cast(event->>'$.mfa' AS BOOLEAN) AS mfa,
    event->>'$.client_ip' AS client_ip,
    event->>'$.src_ip' AS src_ip,
    event->>'$.geoip.country_code' AS country,
    try_cast(event->>'$.geoip.latitude' AS DOUBLE) AS latitude,
    try_cast(event->>'$.geoip.longitude' AS DOUBLE) AS longitude,
    event->>'$.initiated_by.id' AS actor_id,
    event->>'$.initiated_by.type' AS actor_type,
    coalesce(event->>'$.initiated_by.username', event->>'$.initiated_by.email', event->>'$.username') AS actor,
    event->>'$.resource.id' AS resource_id,
    event->>'$.resource.type' AS resource_type,
    coalesce(event->>'$.resource.username', event->>'$.resource.name', event->>'$.resource.email') AS resource,
    event->>'$.application.name' AS application,
    event->>'$.system.hostname' AS device,
    event->>'$.process_name' AS process,
    event->>'$.auth_method' AS auth_method,
    CAST(event->'$.changes' AS VARCHAR) AS changes,
    event
FROM lines
WHERE service <> 'systemusers';

-- Sign-ins that succeeded from a country that the user had not signed in from in the 30 days before.
CREATE OR REPLACE VIEW new_countries AS
WITH logins AS (
  SELECT actor, country, time, lag(time) OVER (PARTITION BY actor, country ORDER BY time) AS before,
    min(time) OVER (PARTITION BY actor) AS first_login
  FROM events
  WHERE event_type IN ('user_login_attempt', 'admin_login_attempt', 'sso_auth', 'login_attempt') AND success AND actor IS NOT NULL AND country IS NOT NULL
)
SELECT actor, country, time
FROM logins
WHERE (before IS NULL OR time - before > INTERVAL 30 DAY) AND time > first_login;

-- Two sign-ins of a user in a row, too far apart for the time between them: over 900 km/h and over 500 km.
CREATE OR REPLACE VIEW impossible_travel AS
WITH logins AS (
  SELECT actor, time, client_ip, country, latitude, longitude,
    lag(time) OVER w AS from_time, lag(country) OVER w AS from_country, lag(client_ip) OVER w AS from_ip,
    lag(latitude) OVER w AS from_latitude, lag(longitude) OVER w AS from_longitude
  FROM events
  WHERE event_type IN ('user_login_attempt', 'admin_login_attempt', 'sso_auth', 'login_attempt') AND success AND actor IS NOT NULL AND latitude IS NOT NULL AND longitude IS NOT NULL
  WINDOW w AS (PARTITION BY actor ORDER BY time)
), distances AS (
  SELECT *, 6371 * 2 * asin(sqrt(pow(sin(radians(latitude - from_latitude) / 2), 2)
    + cos(radians(latitude)) * cos(radians(from_latitude)) * pow(sin(radians(longitude - from_longitude) / 2), 2))) AS km
  FROM logins
  WHERE from_time IS NOT NULL
)
SELECT actor, from_time, from_country, from_ip, time, country, client_ip, round(km) AS km
FROM distances
WHERE km > 500 AND km > 900 * greatest(epoch(time) - epoch(from_time), 1) / 3600;
