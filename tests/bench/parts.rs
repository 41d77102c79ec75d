//! `cargo bench --bench parts`: what each step of an event's way costs, beside another that does
//! the same where there is a choice.
//!
//! Every step gets the same page of made-up events.

#![expect(clippy::unwrap_used, reason = "a program for people, run by hand")]

use std::hint::black_box;
use std::io::Write as _;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use engine::archive::Output;
use engine::identity::{Identity, Instant};
use engine::limits::DAY_MS;
use engine::page::{Names, Page, PageHeaders};
use flate2::Compression;
use flate2::write::GzEncoder;
use libdeflater::{CompressionLvl, Compressor};
use mock::Generator;
use sha2::{Digest as _, Sha256};

const EVENTS: usize = 10_000;
const LEVEL: u8 = 6;

/// A page as JumpCloud sends it.
fn body() -> Vec<u8> {
    let mut generator = Generator::new(1, "5d0a1b2c3d4e5f60718293a4");
    let mut events: Vec<_> = generator.events(0..DAY_MS, EVENTS).collect();
    events.sort_by_key(|event| event.timestamp_ms);
    let rows: Vec<&[u8]> = events.iter().map(|event| &*event.raw).collect();
    [&b"["[..], &rows.join(&b','), b"]"].concat()
}

fn group<'c>(
    criterion: &'c mut Criterion,
    name: &str,
    bytes: usize,
) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).throughput(Throughput::Bytes(bytes as u64));
    group
}

/// Where each event lies in the page, and its four members that decide what becomes of it.
fn split(criterion: &mut Criterion) {
    let body = body();
    let mut group = group(criterion, "split a page", body.len());
    // The copy of the body is the bench's own: a page owns its bytes.
    group.bench_function("serde_json", |bencher| {
        bencher.iter_batched(
            || body.clone(),
            |body| Page::parse(body, PageHeaders::default()).unwrap(),
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("sonic-rs", |bencher| bencher.iter(|| split_with_sonic(black_box(&body))));
    group.finish();
}

fn split_with_sonic(body: &[u8]) -> Vec<[Option<String>; 4]> {
    const NAMES: [&str; 4] = ["organization", "service", "id", "timestamp"];
    let event = |event: sonic_rs::Result<sonic_rs::LazyValue<'_>>| {
        let event = event.unwrap();
        let mut members = [const { None }; 4];
        for member in sonic_rs::to_object_iter(event.as_raw_str()) {
            let (key, value) = member.unwrap();
            if let Some(at) = NAMES.iter().position(|name| *name == key) {
                members[at] = Some(value.as_raw_str().to_owned());
            }
        }
        members
    };
    sonic_rs::to_array_iter(body).map(event).collect()
}

/// From a page's rows to the lines of a part.
fn rows(criterion: &mut Criterion) {
    let page = Page::parse(body(), PageHeaders::default()).unwrap();
    let mut group = group(criterion, "rows", page.body_bytes());
    group.bench_function("identities", |bencher| {
        let identity = |row| {
            let Names { organization, service, id } = page.names(row);
            let [organization, service, id] =
                [organization, service, id].map(Option::unwrap_or_default);
            Identity::of_event(&organization, &service, &id, Instant::Ns(0))
        };
        bencher.iter(|| page.rows().iter().map(identity).collect::<Vec<_>>());
    });
    group.bench_function("lines", |bencher| {
        let output = Output::default();
        let mut lines = Vec::with_capacity(page.body_bytes());
        bencher.iter(|| {
            lines.clear();
            for row in page.rows() {
                output.write_line(&mut lines, page.bytes(row), 0);
            }
        });
    });
    group.finish();
}

/// A part's bytes.
fn part(criterion: &mut Criterion) {
    let lines = body();
    let mut group = group(criterion, "a part", lines.len());
    let mut compressor = Compressor::new(CompressionLvl::new(i32::from(LEVEL)).unwrap());
    let mut buffer = vec![0; compressor.gzip_compress_bound(lines.len())];
    group.bench_function("gzip, libdeflate", |bencher| {
        bencher.iter(|| compressor.gzip_compress(&lines, &mut buffer).unwrap());
    });
    group.bench_function("gzip, zlib-rs", |bencher| {
        bencher.iter(|| {
            let buffer = Vec::with_capacity(lines.len() / 4);
            let mut encoder = GzEncoder::new(buffer, Compression::new(u32::from(LEVEL)));
            encoder.write_all(&lines).unwrap();
            encoder.finish().unwrap()
        });
    });
    group.bench_function("sha-256", |bencher| bencher.iter(|| Sha256::digest(&lines)));
    group.finish();
}

criterion_group!(steps, split, rows, part);
criterion_main!(steps);
