//! Documents that somebody made to have a check take memory: each is read in a process of its own, which must stay below
//! 64 MiB, and what was given up is a gap.

use std::fmt::Write as _;
use std::path::Path;

use crate::peak::peak_mib;
use testdata::builder::{Descriptor, Labels, StoreBuilder, sha256};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Depth, Reason};
use verifier_core::report::{Outcome, Report};
use verifier_core::{CheckOptions, Store, check};

const LIMIT_MIB: u64 = 64;
const NAMESPACE: &str = "k8s.io";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Somewhat less than is read of a document.
const LARGE_BYTES: usize = 15 << 20;

fn report(root: &Path) -> Report {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(Depth::Full);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

fn blob(store: &mut StoreBuilder, media_type: &str, bytes: &[u8]) -> Descriptor {
    let digest = sha256(bytes);
    store.add_blob(NAMESPACE, &digest, bytes, Labels::new());
    Descriptor {
        media_type: media_type.into(),
        digest,
        size: bytes.len(),
        platform: None,
        annotations: Vec::new(),
    }
}

/// An image of one document.
fn image(store: &mut StoreBuilder, name: &str, media_type: &str, text: &str) {
    let target = blob(store, media_type, text.as_bytes());
    store.add_name(NAMESPACE, name, &target, Labels::new());
}

/// An image with that config and one layer.
fn image_of_config(store: &mut StoreBuilder, name: &str, config: &str) {
    let config = blob(store, CONFIG, config.as_bytes());
    let layer = blob(store, LAYER, &[0; 1024]);
    let manifest = format!(
        r#"{{"config":{},"layers":[{}]}}"#,
        descriptor(CONFIG, &config.digest),
        descriptor(LAYER, &layer.digest)
    );
    image(store, name, MANIFEST, &manifest);
}

fn descriptor(media_type: &str, digest: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":1}}"#)
}

/// `value` again and again, with commas, up to `bytes` bytes.
fn repeated(value: &str, bytes: usize) -> String {
    let mut text = value.to_owned();
    while text.len() + value.len() < bytes {
        text.push(',');
        text.push_str(value);
    }
    text
}

/// Different descriptors up to `bytes` bytes, as short as they can be.
fn descriptors(seed: &str, media_type: &str, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    for number in 0_u64.. {
        if text.len() + 256 > bytes {
            break;
        }
        let comma = if text.is_empty() { "" } else { "," };
        let digest = format!("{:0>32}{number:032x}", seed);
        write!(text, r#"{comma}{{"mediaType":"{media_type}","digest":"sha256:{digest}"}}"#).unwrap();
    }
    text
}

fn diff_id() -> String {
    sha256(&[0; 1024])
}

/// Builds the store, checks it in a child, and holds the child's memory against the limit.
fn stays_small(test: &str, build: impl FnOnce(&mut StoreBuilder), judge: impl FnOnce(&Report)) {
    let write = |root: &Path| {
        let mut store = StoreBuilder::default();
        build(&mut store);
        store.write(root).unwrap();
    };
    let peak = peak_mib(test, write, |root| judge(&report(root)));
    assert!(peak.is_none_or(|peak| peak < LIMIT_MIB), "{test}");
}

fn is_clean(report: &Report) {
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.outcome(false), Outcome::Clean, "{:?}", report.coverage.unverified);
}

/// Nothing is damaged, and so many documents were given up.
fn gave_up(report: &Report, documents: usize) {
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.outcome(false), Outcome::Incomplete);
    let gaps: Vec<_> = report.coverage.gaps().collect();
    assert!(gaps.iter().all(|gap| matches!(gap.reason, Reason::MemoryLimit { .. })), "{gaps:?}");
    assert_eq!(gaps.len(), documents, "{gaps:?}");
}

/// Two values for one name took the way over a tree of all values.
#[test]
fn a_config_with_rootfs_twice_and_much_else() {
    let build = |store: &mut StoreBuilder| {
        let much = repeated(r#"[[{"a":[]}]]"#, LARGE_BYTES);
        let rootfs = format!(r#"{{"type":"layers","diff_ids":["{}"]}}"#, diff_id());
        image_of_config(store, "twice", &format!(r#"{{"rootfs":{rootfs},"rootfs":{rootfs},"x":[{much}]}}"#));
    };
    stays_small("hostile_documents::a_config_with_rootfs_twice_and_much_else", build, is_clean);
}

#[test]
fn a_time_that_is_a_nest() {
    let build = |store: &mut StoreBuilder| {
        let nest = repeated(r#"{"a":{"b":{}}}"#, LARGE_BYTES);
        let rootfs = format!(r#"{{"type":"layers","diff_ids":["{}"]}}"#, diff_id());
        for number in 0..3 {
            let config = format!(r#"{{"n":{number},"created":[{nest}],"rootfs":{rootfs}}}"#);
            image_of_config(store, &format!("created-{number}"), &config);
        }
    };
    stays_small("hostile_documents::a_time_that_is_a_nest", build, is_clean);
}

/// Go reads 10,000 levels and no more.
#[test]
fn a_config_of_many_levels() {
    let config = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        let rootfs = format!(r#"{{"type":"layers","diff_ids":["{}"]}}"#, diff_id());
        format!(r#"{{"rootfs":{rootfs},"rootfs":{rootfs},"x":{open}{close}}}"#)
    };
    let build = |store: &mut StoreBuilder| {
        image_of_config(store, "taken", &config(10_000));
        image_of_config(store, "refused", &config(100_000));
    };
    let judge = |report: &Report| {
        let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code()).collect();
        assert_eq!(codes, [Code::ManifestUnparsable]);
        assert_eq!(report.findings[0].blast.images.iter().next().unwrap().name, "refused");
    };
    stays_small("hostile_documents::a_config_of_many_levels", build, judge);
}

#[test]
fn a_manifest_with_a_hundred_thousand_layers() {
    let build = |store: &mut StoreBuilder| {
        let config = blob(store, CONFIG, br#"{"rootfs":{"diff_ids":[]}}"#);
        let layers = descriptors("a", "", 11 << 20);
        assert!(layers.matches("digest").count() > 100_000);
        let config = descriptor(CONFIG, &config.digest);
        image(store, "many", MANIFEST, &format!(r#"{{"config":{config},"layers":[{layers}]}}"#));
        image(store, "few", MANIFEST, &format!(r#"{{"config":{config},"layers":[]}}"#));
    };
    stays_small("hostile_documents::a_manifest_with_a_hundred_thousand_layers", build, |report| {
        gave_up(report, 1)
    });
}

/// Each is within what one may take, and all together are not; a small image beside them is read all the same.
#[test]
fn many_indexes_that_name_much() {
    let build = |store: &mut StoreBuilder| {
        for number in 0..40 {
            let manifests = descriptors(&format!("{number:x}f"), MANIFEST, 2 << 20);
            let index = format!(r#"{{"manifests":[{manifests}]}}"#);
            image(store, &format!("a-{number:02}"), INDEX, &index);
        }
        let layer = descriptors("5", LAYER, 1 << 10);
        let config = blob(store, CONFIG, b"not JSON");
        let config = descriptor(CONFIG, &config.digest);
        image(store, "z", MANIFEST, &format!(r#"{{"config":{config},"layers":[{layer}]}}"#));
    };
    let judge = |report: &Report| {
        let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code()).collect();
        assert_eq!(codes, [Code::ManifestUnparsable], "the small one was not read");
        let gaps = report.coverage.gaps().count();
        assert!((30..40).contains(&gaps), "{gaps}");
    };
    stays_small("hostile_documents::many_indexes_that_name_much", build, judge);
}

/// An error that repeats a value has it in memory a second time, escaped, and in the report.
#[test]
fn long_texts_where_none_should_be() {
    let long = "\u{7f}".repeat(LARGE_BYTES);
    let build = |store: &mut StoreBuilder| {
        image(store, "config", MANIFEST, &format!(r#"{{"config":"{long}"}}"#));
        image(store, "size", MANIFEST, &format!(r#"{{"config":{{"size":"{long}"}}}}"#));
        image(store, "layers", MANIFEST, &format!(r#"{{"layers":"{long}"}}"#));
        image(store, "type", INDEX, &format!(r#"{{"manifests":[{{"mediaType":"{long}"}}]}}"#));
    };
    let judge = |report: &Report| {
        let damaged = report.findings.iter().filter(|finding| finding.code() == Code::ManifestUnparsable);
        assert_eq!(damaged.count(), 3, "{:?}", report.findings);
        assert_eq!(report.coverage.gaps().count(), 1);
        assert!(format!("{report:?}").len() < 10_000);
    };
    stays_small("hostile_documents::long_texts_where_none_should_be", build, judge);
}
