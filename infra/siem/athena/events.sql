-- Athena: views over the table `events` of infra/athena.yaml, with types. Run each statement by itself, in database jumpcloud.

-- One row per event, users of the daily snapshots left out.
CREATE OR REPLACE VIEW events_typed AS
SELECT
    service,
    "date",
    try(from_iso8601_timestamp_nanos(json_extract_scalar(event, '$.timestamp'))) AS time,
    json_extract_scalar(event, '$.id') AS id,
    json_extract_scalar(event, '$.organization') AS organization,
    json_extract_scalar(event, '$.event_type') AS event_type,
    try_cast(coalesce(json_extract_scalar(event, '$.success'), json_extract_scalar(event, '$.sso_token_success')) AS boolean) AS success,
    json_extract_scalar(event, '$.error_message') AS error_message,
    try_cast(json_extract_scalar(event, '$.mfa') AS boolean) AS mfa,
    json_extract_scalar(event, '$.client_ip') AS client_ip,
    json_extract_scalar(event, '$.src_ip') AS src_ip,
    json_extract_scalar(event, '$.geoip.country_code') AS country,
    try_cast(json_extract_scalar(event, '$.geoip.latitude') AS double) AS latitude,
    try_cast(json_extract_scalar(event, '$.geoip.longitude') AS double) AS longitude,
    json_extract_scalar(event, '$.initiated_by.id') AS actor_id,
    json_extract_scalar(event, '$.initiated_by.type') AS actor_type,
    coalesce(json_extract_scalar(event, '$.initiated_by.username'), json_extract_scalar(event, '$.initiated_by.email'), json_extract_scalar(event, '$.username')) AS actor,
    json_extract_scalar(event, '$.resource.id') AS resource_id,
    json_extract_scalar(event, '$.resource.type') AS resource_type,
    coalesce(json_extract_scalar(event, '$.resource.username'), json_extract_scalar(event, '$.resource.name'), json_extract_scalar(event, '$.resource.email')) AS resource,
    json_extract_scalar(event, '$.application.name') AS application,
    json_extract_scalar(event, '$.system.hostname') AS device,
    json_extract_scalar(event, '$.process_name') AS process,
    json_extract_scalar(event, '$.auth_method') AS auth_method,
    json_format(json_extract(event, '$.changes')) AS changes,
    event
FROM events
WHERE service <> 'systemusers';

-- Two sign-ins of a user in a row, too far apart for the time between them: over 900 km/h and over 500 km.
-- Say which days: WHERE time > current_timestamp - interval '2' day.
CREATE OR REPLACE VIEW impossible_travel AS
WITH logins AS (
  SELECT actor, time, client_ip, country, latitude, longitude,
    lag(time) OVER (PARTITION BY actor ORDER BY time) AS from_time,
    lag(country) OVER (PARTITION BY actor ORDER BY time) AS from_country,
    lag(client_ip) OVER (PARTITION BY actor ORDER BY time) AS from_ip,
    lag(latitude) OVER (PARTITION BY actor ORDER BY time) AS from_latitude,
    lag(longitude) OVER (PARTITION BY actor ORDER BY time) AS from_longitude
  FROM events_typed
  WHERE event_type IN ('user_login_attempt', 'admin_login_attempt', 'sso_auth', 'login_attempt') AND success AND actor IS NOT NULL AND latitude IS NOT NULL AND longitude IS NOT NULL
), distances AS (
  SELECT *, 6371 * 2 * asin(sqrt(pow(sin(radians(latitude - from_latitude) / 2), 2)
    + cos(radians(latitude)) * cos(radians(from_latitude)) * pow(sin(radians(longitude - from_longitude) / 2), 2))) AS km
  FROM logins
  WHERE from_time IS NOT NULL
)
SELECT actor, from_time, from_country, from_ip, time, country, client_ip, round(km) AS km
FROM distances
WHERE km > 500 AND km > 900 * greatest(to_unixtime(time) - to_unixtime(from_time), 1) / 3600;
