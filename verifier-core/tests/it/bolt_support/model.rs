//! A database as a map, and random edits of it.

use std::collections::BTreeMap;

use verifier_core::bolt::{Database, Edit, Edits, Visitor};

use super::{Dump, Random};

/// The names of the buckets from the root down.
type Path = Vec<Vec<u8>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    sequence: u64,
    things: BTreeMap<Vec<u8>, Thing>,
}

#[derive(Clone, Debug)]
enum Thing {
    Value(Vec<u8>),
    Bucket(Model),
}

impl Model {
    /// What a walk shows; of what it shows twice, the first.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::of_database(&Database::open(&bytes).unwrap())
    }

    pub(crate) fn of_database(db: &Database<'_>) -> Self {
        let mut model = Self::default();
        db.walk(&mut model);
        model
    }

    fn bucket(&mut self, path: &[Vec<u8>]) -> Option<&mut Self> {
        path.iter().try_fold(self, |model, name| match model.things.get_mut(name)? {
            Thing::Bucket(inner) => Some(inner),
            Thing::Value(_) => None,
        })
    }

    fn make(&mut self, path: &[Vec<u8>]) -> &mut Self {
        path.iter().fold(self, |model, name| {
            match model.things.entry(name.clone()).or_insert_with(|| Thing::Bucket(Self::default())) {
                Thing::Bucket(inner) => inner,
                Thing::Value(_) => panic!("a value stands in the way"),
            }
        })
    }

    pub(crate) fn apply(&mut self, edits: &Edits) {
        for edit in &edits.0 {
            match edit {
                Edit::Put { path, key, value } => {
                    self.make(path).things.insert(key.clone(), Thing::Value(value.clone()));
                }
                Edit::CreateBucket { path } => {
                    self.make(path);
                }
                Edit::SetSequence { path, sequence } => self.make(path).sequence = *sequence,
                Edit::Delete { path, key } => {
                    let bucket = self.bucket(path);
                    bucket.map(|bucket| {
                        bucket
                            .things
                            .extract_if(key.clone()..=key.clone(), |_, old| matches!(old, Thing::Value(_)))
                            .count()
                    });
                }
                Edit::DeleteBucket { path } => {
                    let (name, parent) = path.split_last().unwrap();
                    let bucket = self.bucket(parent);
                    bucket.map(|bucket| {
                        bucket
                            .things
                            .extract_if(name.clone()..=name.clone(), |_, old| matches!(old, Thing::Bucket(_)))
                            .count()
                    });
                }
            }
        }
    }

    /// As `Dump` writes it.
    pub(crate) fn dump(&self) -> String {
        let mut dump = Dump::default();
        self.show(&mut Vec::new(), &mut dump);
        dump.text
    }

    fn show(&self, path: &mut Vec<Vec<u8>>, to: &mut dyn Visitor) {
        for (name, thing) in &self.things {
            match thing {
                Thing::Value(value) => to.value(path, name, value),
                Thing::Bucket(inner) => {
                    path.push(name.clone());
                    to.enter(path, inner.sequence);
                    inner.show(path, to);
                    to.leave(path);
                    path.pop();
                }
            }
        }
    }

    /// The edits that make it out of nothing.
    pub(crate) fn edits(&self) -> Edits {
        struct Collect(Edits);
        impl Visitor for Collect {
            fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
                self.0.set_sequence(path, sequence);
            }
            fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
                self.0.put(path, key, value);
            }
        }
        let mut collect = Collect(Edits::new());
        self.show(&mut Vec::new(), &mut collect);
        collect.0
    }

    /// Every bucket's path, and every key with its bucket.
    fn places(&self) -> (Vec<Path>, Vec<(Path, Vec<u8>)>) {
        #[derive(Default)]
        struct Places(Vec<Path>, Vec<(Path, Vec<u8>)>);
        impl Visitor for Places {
            fn enter(&mut self, path: &[Vec<u8>], _: u64) {
                self.0.push(path.to_vec());
            }
            fn value(&mut self, path: &[Vec<u8>], key: &[u8], _: &[u8]) {
                self.1.push((path.to_vec(), key.to_vec()));
            }
        }
        let mut places = Places::default();
        self.show(&mut Vec::new(), &mut places);
        (places.0, places.1)
    }
}

impl Visitor for Model {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        let (name, parent) = path.split_last().unwrap();
        let Some(parent) = self.bucket(parent) else { return };
        parent
            .things
            .entry(name.clone())
            .or_insert_with(|| Thing::Bucket(Self { sequence, things: BTreeMap::new() }));
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        if key.is_empty() || key.len() > 32768 || path.iter().any(Vec::is_empty) {
            return;
        }
        let Some(bucket) = self.bucket(path) else { return };
        bucket.things.entry(key.to_vec()).or_insert_with(|| Thing::Value(value.to_vec()));
    }
}

/// Edits of all kinds, of what is there and of what is not.
pub(crate) fn random_edits(random: &mut Random, model: &Model) -> Edits {
    let (buckets, keys) = model.places();
    let mut edits = Edits::new();
    let mut deleted: Vec<Vec<Vec<u8>>> = Vec::new();
    for step in 0..1 + random.below(60) {
        let kind = random.below(12);
        let bucket =
            buckets.get(random.below(buckets.len().max(1))).cloned().unwrap_or_else(|| vec![b"top".to_vec()]);
        let key = keys.get(random.below(keys.len().max(1))).cloned();
        match (kind, key) {
            (0..=2, _) => {
                let sizes = [5, 60, 300, 1500, 9000];
                let size = sizes[random.below(5)];
                let value = vec![step as u8; random.below(size)];
                edits.put(&bucket, format!("new-{}", random.below(500)), value);
            }
            (3..=4, Some((path, key))) => edits.put(&path, key, [step as u8, 0xff, 0xfe]),
            (5..=7, Some((path, key))) => edits.delete(&path, key),
            (8, _) => edits.set_sequence(&bucket, random.next() % 1000),
            (9, _) => {
                let mut path = bucket;
                path.extend([b"made".to_vec(), vec![0xf0, 0x28, step as u8]]);
                edits.put(&path, "k", "v");
                edits.create_bucket(path.iter().map(Vec::as_slice).chain([b"inner".as_slice()]));
            }
            (10, _) if random.below(3) == 0 => {
                edits.delete_bucket(&bucket);
                deleted.push(bucket);
            }
            (11, _) if !deleted.is_empty() => {
                let path = deleted[random.below(deleted.len())].clone();
                edits.put(&path, "again", "put into a deleted bucket");
            }
            _ => edits.delete(&bucket, "not-there"),
        }
    }
    edits
}
