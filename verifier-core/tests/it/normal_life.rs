//! What real containerds do day by day is no damage: after each step of it, live and stopped, nothing of severity
//! warning or worse is found.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testdata::bed::{self, Bed, Containerd, Cri, FsKind, Generation, LoopFs, Options, Registry, succeed};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::report::Report;
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, check};

/// When the store is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// After each step, with containerd running.
    Live,
    /// After each step, with containerd stopped once its collector has run; it is started again for the next one.
    Stopped,
    /// The same, stopped at once, in the midst of whatever it is doing. What that leaves, its collector takes away.
    Interrupted,
}

/// A containerd and what is done to it.
struct Life<'a> {
    bed: &'a Bed,
    registry: &'a Registry,
    generation: Generation,
    options: Options,
    root: &'a Path,
    containerd: Containerd,
    when: When,
    /// Notes that were taken, by code.
    notes: BTreeMap<&'static str, usize>,
}

impl<'a> Life<'a> {
    fn begin(
        bed: &'a Bed,
        registry: &'a Registry,
        generation: Generation,
        root: &'a Path,
        when: When,
    ) -> Self {
        Life::begin_with(bed, registry, generation, root, when, Options::default())
    }

    fn begin_with(
        bed: &'a Bed,
        registry: &'a Registry,
        generation: Generation,
        root: &'a Path,
        when: When,
        options: Options,
    ) -> Self {
        let containerd = Containerd::start_with(bed, generation, root, &options);
        Life { bed, registry, generation, options, root, containerd, when, notes: BTreeMap::new() }
    }

    /// Does one thing, and looks at the store.
    fn step(&mut self, what: &str, act: impl FnOnce(&Containerd, &Registry)) {
        act(&self.containerd, self.registry);
        match self.when {
            When::Live => self.look(what, Mode::Live),
            When::Stopped | When::Interrupted => {
                if self.when == When::Stopped {
                    self.containerd.collect();
                }
                self.containerd.stop();
                self.look(what, Mode::Stopped);
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        self.containerd.stop();
        self.containerd = Containerd::start_with(self.bed, self.generation, self.root, &self.options);
    }

    fn look(&mut self, what: &str, mode: Mode) {
        let report = look(self.root);
        assert!(report.mode == mode, "{what}: {:?}", report.mode);
        let of = format!("containerd {}, {what}, {mode:?}", self.generation);
        assert_healthy(&report, &of);
        for finding in &report.findings {
            *self.notes.entry(finding.code().as_str()).or_default() += 1;
        }
    }
}

fn look(root: &Path) -> Report {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(Depth::Quick).threads(1);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// Nothing that is damage even when warnings count, and nothing that could not be looked at.
fn assert_healthy(report: &Report, of: &str) {
    let alarms: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.severity() >= Severity::Warning)
        .map(|finding| serde_json::to_string(finding).unwrap())
        .collect();
    assert!(alarms.is_empty(), "{of}:\n{}", alarms.join("\n"));
    assert!(report.is_complete(), "{of}: {:?}", report.coverage.unverified);
}

/// The snapshots of a kind (`Committed`, `Active`, `View`) that overlayfs has in `default`.
fn snapshots(containerd: &Containerd, kind: &str) -> Vec<String> {
    let list = containerd.ctr(&["snapshots", "list"]);
    let rows = list.lines().filter(|row| row.split_whitespace().last() == Some(kind));
    rows.filter_map(|row| row.split_whitespace().next()).map(str::to_owned).collect()
}

/// The snapshot on which no other one of `default` stands.
fn top(containerd: &Containerd) -> String {
    let list = containerd.ctr(&["snapshots", "list"]);
    let rows: Vec<Vec<&str>> = list.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let is_parent = |key: &str| rows.iter().any(|row| row.len() == 3 && row[1] == key);
    let tops = rows.iter().filter(|row| row.last() == Some(&"Committed") && !is_parent(row[0]));
    tops.map(|row| row[0]).find(|key| key.starts_with("sha256:")).unwrap().to_owned()
}

fn with_each(test: impl Fn(&Bed, &Registry, Generation, When)) {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    for image in ["small", "small-b", "small-docker", "small-zstd", "multi"] {
        registry.push(&bed.image(image), &format!("{image}:t"));
    }
    for generation in bed.generations() {
        for when in [When::Live, When::Stopped, When::Interrupted] {
            test(&bed, &registry, generation, when);
        }
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn images_come_and_go() {
    with_each(|bed, registry, generation, when| {
        let home = tempfile::tempdir().unwrap();
        let mut life = Life::begin(bed, registry, generation, home.path(), when);
        let name = |image: &str| registry.reference(&format!("{image}:t"));
        life.step("nothing yet", |_, _| {});
        for image in ["small", "small-b", "multi", "small-docker"] {
            life.step(&format!("pull {image}"), |c, _| c.pull(&name(image)));
        }
        life.step("pull all platforms", |c, _| {
            c.ctr(&["images", "pull", "--plain-http", "--all-platforms", &name("multi")]);
        });
        life.step("pull for native", |c, _| {
            let mut args = vec!["images", "pull", "--plain-http", "--snapshotter", "native"];
            if generation == Generation::V2_1 {
                // Its transfer service unpacks only for what its config names.
                args.push("--local");
            }
            let name = name("small-zstd");
            args.push(&name);
            c.ctr(&args);
        });
        life.step("tag", |c, _| drop(c.ctr(&["images", "tag", &name("small"), "example.test/other:1"])));
        // One of two that share a base: its rows go, and a dangling child stays.
        life.step("remove one that shares", |c, _| drop(c.ctr(&["images", "rm", &name("small-b")])));
        life.step("pull it again", |c, _| c.pull(&name("small-b")));
        life.step("remove it at once", |c, _| drop(c.ctr(&["images", "rm", "--sync", &name("small-b")])));
        life.step("remove names", |c, _| {
            c.ctr(&["images", "rm", &name("small"), &name("multi"), &name("small-docker")]);
        });
        life.restart();
        life.step("content without unpacking", |c, _| {
            c.ctr(&["content", "fetch", "--plain-http", &name("small-b")]);
        });
        life.step("a lease", |c, _| drop(c.ctr(&["leases", "create", "--id", "mine", "--expires", "1h"])));
        life.step("an ended lease", |c, _| {
            c.ctr(&["leases", "create", "--id", "brief", "--expires", "1s"]);
            std::thread::sleep(Duration::from_secs(2));
        });
        life.step("remove all", |c, _| {
            for image in c.ctr(&["images", "list", "--quiet"]).lines() {
                c.ctr(&["images", "rm", image]);
            }
        });
        life.step("and again", |c, _| c.pull(&name("small")));
        eprintln!("{generation}: notes {:?}", life.notes);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn containers_come_and_go() {
    with_each(|bed, registry, generation, when| {
        let home = tempfile::tempdir().unwrap();
        let mut life = Life::begin(bed, registry, generation, home.path(), when);
        let (small, other) = (registry.reference("small:t"), registry.reference("small-b:t"));
        let sleep = ["/bin/sleep", "600"];
        life.step("pull", |c, _| {
            c.pull(&small);
            c.pull(&other);
        });
        life.step("run", |c, _| c.run(&small, "web", &sleep));
        life.step("create", |c, _| drop(c.ctr(&["containers", "create", &small, "made"])));
        life.step("run and remove", |c, _| drop(c.run_with(&["--rm"], &other, "once", &["/bin/sleep", "0"])));
        life.step("read-only", |c, _| {
            c.run_with(&["--read-only", "--detach"], &other, "ro", &sleep);
        });
        life.step("image removed under a container", |c, _| drop(c.ctr(&["images", "rm", "--sync", &small])));
        life.step("pulled again", |c, _| c.pull(&small));
        life.step("both images removed", |c, _| drop(c.ctr(&["images", "rm", &small, &other])));
        life.step("stop", |c, _| {
            c.stop_container("web");
            c.stop_container("ro");
        });
        life.step("remove", |c, _| drop(c.ctr(&["containers", "rm", "web"])));
        life.step("remove, snapshot kept", |c, _| {
            c.ctr(&["containers", "rm", "--keep-snapshot", "made"]);
        });
        life.step("pull once more", |c, _| c.pull(&small));
        life.step("remove the rest", |c, _| drop(c.ctr(&["containers", "rm", "ro"])));
        eprintln!("{generation}: notes {:?}", life.notes);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn snapshots_are_made_by_hand() {
    with_each(|bed, registry, generation, when| {
        let home = tempfile::tempdir().unwrap();
        let mut life = Life::begin(bed, registry, generation, home.path(), when);
        let small = registry.reference("small:t");
        life.step("pull", |c, _| c.pull(&small));
        let top = top(&life.containerd);
        life.step("an image's snapshot removed", |c, _| drop(c.ctr(&["snapshots", "rm", &top])));
        // With its child gone the collector takes the one below as well, and may do so in the middle of an unpacking.
        life.step("unpacked again", |c, _| {
            c.collect();
            c.run_with(&["--rm"], &small, "again", &["/bin/sleep", "0"]);
        });
        assert!(snapshots(&life.containerd, "Committed").contains(&top), "it was unpacked again");
        life.step("prepare", |c, _| drop(c.ctr(&["snapshots", "prepare", "hand", &top])));
        life.step("view", |c, _| drop(c.ctr(&["snapshots", "view", "look", &top])));
        life.step("from nothing", |c, _| drop(c.ctr(&["snapshots", "prepare", "bare"])));
        life.step("commit", |c, _| drop(c.ctr(&["snapshots", "commit", "saved", "hand"])));
        life.step("prepare on it", |c, _| drop(c.ctr(&["snapshots", "prepare", "more", "saved"])));
        life.step("a container on it", |c, _| {
            c.ctr(&["containers", "create", &small, "web"]);
        });
        life.step("remove some", |c, _| {
            c.ctr(&["snapshots", "rm", "more"]);
            // A view that no one holds may have been collected.
            c.try_ctr(&["snapshots", "rm", "look"]);
        });
        life.step("remove the container", |c, _| drop(c.ctr(&["containers", "rm", "web"])));
        life.step("remove what was committed", |c, _| drop(c.try_ctr(&["snapshots", "rm", "saved"])));
        life.step("remove the image", |c, _| drop(c.ctr(&["images", "rm", "--sync", &small])));
        eprintln!("{generation}: notes {:?}", life.notes);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn namespaces_come_and_go() {
    with_each(|bed, registry, generation, when| {
        let home = tempfile::tempdir().unwrap();
        let mut life = Life::begin_with(
            bed,
            registry,
            generation,
            home.path(),
            when,
            Options { cri: true, ..Options::default() },
        );
        let small = registry.reference("small:t");
        let pull = |c: &Containerd, namespace: &str| {
            c.ctr(&["-n", namespace, "images", "pull", "--plain-http", &small]);
        };
        life.step("CRI starts", |_, _| {});
        life.step("pull for CRI", |c, _| pull(c, "k8s.io"));
        life.step("and elsewhere", |c, _| pull(c, "other"));
        life.step("labels", |c, _| drop(c.ctr(&["namespaces", "label", "other", "owner=me"])));
        life.step("and nowhere else", |c, _| {
            c.ctr(&["-n", "other", "images", "rm", "--sync", &small]);
        });
        // Its rows may still wait for the collector in the snapshotter when the namespace goes.
        life.step("no namespace", |c, _| {
            c.try_ctr(&["namespaces", "rm", "other"]);
        });
        life.step("the namespace again", |c, _| pull(c, "other"));
        life.step("two names", |c, _| {
            c.ctr(&["-n", "k8s.io", "images", "tag", &small, "example.test/small:2"]);
            c.ctr(&["-n", "k8s.io", "images", "rm", &small]);
        });
        eprintln!("{generation}: notes {:?}", life.notes);
    });
}

/// What a kubelet does: an image whose command waits, for the pods, and others.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn pods_come_and_go() {
    with_each(|bed, registry, generation, when| {
        let home = tempfile::tempdir().unwrap();
        let pause = home.path().join("pause");
        succeed(Command::new("cp").arg("-a").arg(bed.image("small")).arg(&pause), Duration::from_secs(60));
        let mut umoci = Command::new("umoci");
        umoci.args(["config", "--image"]).arg(format!("{}:latest", pause.display()));
        umoci.args(["--clear=config.cmd", "--config.cmd", "/bin/sleep", "--config.cmd", "3600"]);
        succeed(&mut umoci, Duration::from_secs(60));
        registry.push(&pause, "pause:t");
        let sandbox = format!("sandbox_image = {:?}\n", registry.reference("pause:t"));
        // A machine that is a container itself may not lower its processes' scores.
        let scores = "restrict_oom_score_adj = true\n";
        let config = format!("[plugins.\"io.containerd.grpc.v1.cri\"]\n  {sandbox}  {scores}");
        let options = Options { cri: true, config, ..Options::default() };
        let root = home.path().join("root");
        let mut life = Life::begin_with(bed, registry, generation, &root, when, options);
        let (small, other) = (registry.reference("small:t"), registry.reference("small-b:t"));
        let sleep = ["/bin/sleep", "3600"];
        let mut ids = Vec::new();
        life.step("pull", |c, _| Cri::new(c).pull(&small));
        life.step("a pod", |c, _| ids.push(Cri::new(c).run_pod("one")));
        if when != When::Live {
            // A stopped containerd takes its pods along: after a restart each needs a new sandbox, as after a reboot.
            life.step("the pod again", |c, _| {
                Cri::new(c).remove_pod(&ids[0]);
                ids.clear();
            });
        }
        let in_pod = |c: &Containerd, name: &str, image: &str, ids: &mut Vec<String>| {
            let cri = Cri::new(c);
            let pod = cri.run_pod(name);
            let container = cri.create(&pod, name, image, "main", &sleep);
            cri.start(&container);
            ids.extend([pod, container]);
        };
        let mut two = Vec::new();
        life.step("a pod with a container", |c, _| in_pod(c, "two", &small, &mut two));
        life.step("its image removed", |c, _| Cri::new(c).remove_image(&small));
        life.step("and pulled again", |c, _| {
            Cri::new(c).pull(&small);
            Cri::new(c).pull(&other);
        });
        let mut three = Vec::new();
        life.step("another pod", |c, _| in_pod(c, "three", &other, &mut three));
        life.step("stop", |c, _| {
            Cri::new(c).stop(&two[1]);
            Cri::new(c).stop_pod(&three[0]);
        });
        life.step("remove", |c, _| {
            Cri::new(c).remove(&two[1]);
            Cri::new(c).remove_pod(&three[0]);
        });
        life.step("remove images", |c, _| {
            Cri::new(c).remove_image(&other);
            Cri::new(c).remove_image(&small);
        });
        eprintln!("{generation}: notes {:?}", life.notes);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn native_and_btrfs_live_too() {
    with_each(|bed, registry, generation, when| {
        let fs = LoopFs::new(FsKind::Btrfs, 1 << 30);
        let root = fs.path().join("root");
        let mut life = Life::begin(bed, registry, generation, &root, when);
        let (small, other) = (registry.reference("small:t"), registry.reference("small-b:t"));
        for snapshotter in ["native", "btrfs"] {
            let plugins = life.containerd.ctr(&["plugins", "list"]);
            let has = |row: &str| {
                row.contains("snapshotter.v1") && row.contains(snapshotter) && row.contains(" ok")
            };
            if !plugins.lines().any(has) {
                eprintln!("containerd {generation} has no {snapshotter}");
                continue;
            }
            let pull = |c: &Containerd, image: &str| {
                let mut args = vec!["images", "pull", "--plain-http", "--snapshotter", snapshotter];
                args.extend((generation == Generation::V2_1).then_some("--local"));
                args.push(image);
                c.ctr(&args);
            };
            let of = |args: &[&str], c: &Containerd| {
                c.ctr(&[&["snapshots", "--snapshotter", snapshotter], args].concat())
            };
            life.step("pull", |c, _| {
                pull(c, &small);
                pull(c, &other);
            });
            let list = of(&["list"], &life.containerd);
            let row =
                list.lines().find(|row| row.split_whitespace().count() == 3 && row.contains("Committed"));
            let top = row.unwrap().split_whitespace().next().unwrap().to_owned();
            life.step("prepare", |c, _| drop(of(&["prepare", "hand", &top], c)));
            life.step("view", |c, _| drop(of(&["view", "look", &top], c)));
            life.step("commit", |c, _| drop(of(&["commit", "saved", "hand"], c)));
            life.step("prepare on it", |c, _| drop(of(&["prepare", "more", "saved"], c)));
            life.step("a container", |c, _| {
                let flags = ["--snapshotter", snapshotter, "--detach"];
                c.run_with(&flags, &other, "web", &["/bin/sleep", "600"]);
            });
            life.step("one image less", |c, _| drop(c.ctr(&["images", "rm", &other])));
            life.step("remove", |c, _| {
                c.stop_container("web");
                c.ctr(&["containers", "rm", "web"]);
                of(&["rm", "more"], c);
                of(&["rm", "saved"], c);
            });
            life.step("none left", |c, _| drop(c.ctr(&["images", "rm", "--sync", &small])));
        }
        eprintln!("{generation}: notes {:?}", life.notes);
        drop(life);
    });
}
