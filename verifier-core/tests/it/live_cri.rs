//! A kubelet's image whose config is wrong: CRI forgets it at its next start and cannot pull it any more. Live repairs wake it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::live_common::{IMAGES, Node, OVERLAYFS, evictions};
use testdata::bed::{self, Bed, Containerd, Cri, Generation, Options, Registry, succeed};
use verifier_core::live::LiveStore;

const NAMESPACE: &str = "k8s.io";

/// A pod's own container needs an image whose command waits.
pub(crate) fn options(bed: &Bed, registry: &Registry) -> Options {
    let home = tempfile::tempdir().unwrap();
    let pause = home.path().join("pause");
    succeed(Command::new("cp").arg("-a").arg(bed.image("small")).arg(&pause), Duration::from_secs(60));
    let mut umoci = Command::new("umoci");
    umoci.args(["config", "--image"]).arg(format!("{}:latest", pause.display()));
    umoci.args(["--clear=config.cmd", "--config.cmd", "/bin/sleep", "--config.cmd", "3600"]);
    succeed(&mut umoci, Duration::from_secs(60));
    registry.push(&pause, "pause:t");
    let config = format!(
        "[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = {:?}\n  restrict_oom_score_adj = true\n",
        registry.reference("pause:t")
    );
    Options { cri: true, config, ..Options::default() }
}

/// A node whose kubelet has pulled both images, and whose containerd was started again with the config of the first one wrong;
/// since then a pod runs the second one, which shares a layer with it. The right config's bytes come with it.
fn stuck(bed: &Bed, generation: Generation) -> (Node, Vec<u8>) {
    let mut chosen = None;
    let mut node = Node::start_with(bed, generation, NAMESPACE, |registry| {
        chosen.insert(options(bed, registry)).clone()
    });
    IMAGES.iter().for_each(|image| Cri::new(&node.containerd).pull(&node.name(image)));
    let config = node.blob(&node.digests("one").config);
    let right = fs::read(&config).unwrap();
    node.containerd.stop();
    fs::write(&config, vec![b'x'; right.len()]).unwrap();
    let root = node.containerd.root().to_owned();
    node.containerd = Containerd::start_with(bed, generation, &root, &chosen.unwrap());
    let cri = Cri::new(&node.containerd);
    let (one, two) = (node.name("one"), node.name("two"));
    assert!(until(|| cri.has_image(&two)) && !cri.has_image(&one));
    assert!(!cri.try_pull(&one), "pulling again heals nothing");
    start(&cri, "bystander", &two);
    (node, right)
}

/// Starts a container in a pod of its own.
fn start(cri: &Cri<'_>, name: &str, image: &str) {
    let pod = cri.run_pod(name);
    let container = cri.create(&pod, name, image, "main", &["/bin/sleep", "3600"]);
    cri.start(&container);
}

/// CRI hears of changes a moment later.
fn until(mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

fn running(node: &Node) -> usize {
    let tasks = node.containerd.ctr(&["-n", NAMESPACE, "tasks", "ls"]);
    tasks.lines().filter(|line| line.contains("RUNNING")).count()
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn an_image_whose_config_was_put_back_is_woken() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let (node, right) = stuck(&bed, generation);
        let name = node.name("one");
        let live = node.live();
        let manifest = live.namespace(NAMESPACE).image(&name).unwrap().unwrap().digest;
        let file = node.blob(&config_of(&node, &manifest));
        let beside = file.with_extension("new");
        fs::write(&beside, right).unwrap();
        fs::rename(beside, file).unwrap();
        let cri = Cri::new(&node.containerd);
        assert!(!cri.has_image(&name), "the bytes alone are not noticed");
        let mut acts = 0;
        let journal = |_: &_| {
            acts += 1;
            Ok(())
        };
        let mut store = LiveStore::new(&live, "test", journal);
        let mut names = store.names_of(NAMESPACE, &[manifest]).unwrap();
        assert_eq!(names.len(), 3, "{names:?}");
        names.push("nobody".to_owned());
        let pulled = node.pulling(|| {
            let woken = store.wake(NAMESPACE, &names).unwrap();
            assert_eq!(woken, names[..3]);
            assert!(until(|| cri.has_image(&name)));
            start(&cri, "healed", &name);
        });
        assert_eq!(pulled, [""; 0]);
        drop(store);
        assert_eq!(acts, 3);
        assert_eq!(running(&node), 4, "two pods of two containers");
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn an_image_whose_config_is_lost_is_pulled_again_without_its_layers() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let (node, _) = stuck(&bed, generation);
        let name = node.name("one");
        let live = node.live();
        let manifest = live.namespace(NAMESPACE).image(&name).unwrap().unwrap().digest;
        let config = config_of(&node, &manifest);
        let two = node.digests("two");
        let document: serde_json::Value =
            serde_json::from_slice(&fs::read(node.blob(&manifest)).unwrap()).unwrap();
        let layers = document["layers"].as_array().unwrap().iter();
        let mut kept: Vec<String> =
            layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect();
        kept.push(manifest.clone());
        // What a config that cannot be read would say, is known from rows or not at all: hold what there is of the chain.
        let rows = live.namespace(NAMESPACE).snapshots(OVERLAYFS).unwrap();
        let top = rows.iter().filter(|row| row.parent == two.chain_ids[0]).map(|row| row.key.clone());
        let trees: Vec<_> = top.map(|key| (OVERLAYFS.to_owned(), key)).collect();
        assert_eq!(trees.len(), 2);
        let names = {
            let journal = |_: &_| Ok(());
            LiveStore::new(&live, "test", journal).names_of(NAMESPACE, &[manifest]).unwrap()
        };
        node.repair(&evictions(NAMESPACE, &[&config], &[]), |held| {
            let removed = held.remove_names(NAMESPACE, &names, &kept, &trees)?;
            assert_eq!(removed.removed.len(), 3);
            held.evict_blobs(&[(config.clone(), node.blob(&config))])
        });
        assert!(!node.blob(&config).exists());
        let cri = Cri::new(&node.containerd);
        let pulled = node.pulling(|| {
            cri.pull(&name);
            assert!(until(|| cri.has_image(&name)));
            start(&cri, "healed", &name);
        });
        assert_eq!(pulled, [config], "no layer");
        assert_eq!(running(&node), 4, "two pods of two containers");
    }
}

fn config_of(node: &Node, manifest: &str) -> String {
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(node.blob(manifest)).unwrap()).unwrap();
    document["config"]["digest"].as_str().unwrap().to_owned()
}
