-- ClickHouse: every line as text into a table of its own, then a view with types. The values in angle brackets are outputs of
-- the collector's stack; give ClickHouse a role or keys of a principal that may do what SiemReaderRole may.

CREATE TABLE jumpcloud_lines
(
    event String CODEC(ZSTD(3)),
    path String,
    service LowCardinality(String),
    day Date
)
ENGINE = MergeTree
ORDER BY (service, day);

-- `unordered`: a late event lies under an old date, which `ordered` would pass over. Objects beyond the limit are forgotten and
-- read again.
CREATE TABLE jumpcloud_queue (event String)
ENGINE = S3Queue('https://<ArchiveBucketName>.s3.<Region>.amazonaws.com/events/**/*.ndjson.gz', 'LineAsString', 'gzip')
SETTINGS mode = 'unordered', tracked_files_limit = 1000000;

CREATE MATERIALIZED VIEW jumpcloud_filled TO jumpcloud_lines AS
SELECT
    event,
    _path AS path,
    extract(_path, 'service=([^/]+)/') AS service,
    toDate(extract(_path, 'date=([0-9-]+)/')) AS day
FROM jumpcloud_queue;

-- One row per event, users of the daily snapshots left out.
CREATE VIEW jumpcloud_events AS
SELECT
    service,
    day,
    parseDateTime64BestEffortOrNull(JSONExtractString(event, 'timestamp'), 9, 'UTC') AS time,
    nullIf(JSONExtractString(event, 'id'), '') AS id,
    nullIf(JSONExtractString(event, 'organization'), '') AS organization,
    nullIf(JSONExtractString(event, 'event_type'), '') AS event_type,
    coalesce(multiIf(JSONExtractRaw(event, 'success') = 'true', true, JSONExtractRaw(event, 'success') = 'false', false, NULL), multiIf(JSONExtractRaw(event, 'sso_token_success') = 'true', true, JSONExtractRaw(event, 'sso_token_success') = 'false', false, NULL)) AS success,
    nullIf(JSONExtractString(event, 'error_message'), '') AS error_message,
    multiIf(JSONExtractRaw(event, 'mfa') = 'true', true, JSONExtractRaw(event, 'mfa') = 'false', false, NULL) AS mfa,
    nullIf(JSONExtractString(event, 'client_ip'), '') AS client_ip,
    nullIf(JSONExtractString(event, 'src_ip'), '') AS src_ip,
    nullIf(JSONExtractString(event, 'geoip', 'country_code'), '') AS country,
    JSONExtract(event, 'geoip', 'latitude', 'Nullable(Float64)') AS latitude,
    JSONExtract(event, 'geoip', 'longitude', 'Nullable(Float64)') AS longitude,
    nullIf(JSONExtractString(event, 'initiated_by', 'id'), '') AS actor_id,
    nullIf(JSONExtractString(event, 'initiated_by', 'type'), '') AS actor_type,
    coalesce(nullIf(JSONExtractString(event, 'initiated_by', 'username'), ''), nullIf(JSONExtractString(event, 'initiated_by', 'email'), ''), nullIf(JSONExtractString(event, 'username'), '')) AS actor,
    nullIf(JSONExtractString(event, 'resource', 'id'), '') AS resource_id,
    nullIf(JSONExtractString(event, 'resource', 'type'), '') AS resource_type,
    coalesce(nullIf(JSONExtractString(event, 'resource', 'username'), ''), nullIf(JSONExtractString(event, 'resource', 'name'), ''), nullIf(JSONExtractString(event, 'resource', 'email'), '')) AS resource,
    nullIf(JSONExtractString(event, 'application', 'name'), '') AS application,
    nullIf(JSONExtractString(event, 'system', 'hostname'), '') AS device,
    nullIf(JSONExtractString(event, 'process_name'), '') AS process,
    nullIf(JSONExtractString(event, 'auth_method'), '') AS auth_method,
    JSONExtractRaw(event, 'changes') AS changes,
    event
FROM jumpcloud_lines
WHERE service != 'systemusers';
