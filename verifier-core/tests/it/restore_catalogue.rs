//! Every damage of the catalogue that a layer can heal is healed: the trees are what they were.

use crate::restore_common::{look, picture, restore_all, tasks, unlike};
use testdata::builder::sample;
use testdata::damage::{self, How};
use verifier_core::finding::Code;
use verifier_core::finding::Depth;

#[test]
fn every_damage_of_the_catalogue_that_a_layer_can_heal() {
    let mut count = 0;
    for damage in damage::all() {
        let How::Files(change) = damage.how else { continue };
        let code = damage.full.map(|code| code.parse().unwrap());
        if !matches!(code, Some(Code::SnapshotDiffers | Code::SnapshotFolderMissing)) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let sample = sample().unwrap();
        sample.store.write(root).unwrap();
        let trees: Vec<_> = tasks(root).iter().map(|task| root.join(&task.tree)).collect();
        let before: Vec<_> = trees.iter().map(|tree| picture(tree)).collect();
        change(&sample, root).unwrap();
        let found = look(root, Depth::Full).findings;
        assert_eq!(found.len(), 1, "{}", damage.name);
        let healable = tasks(root).iter().any(|task| task.subject() == found[0].subject);
        let (_, outcomes) = restore_all(root);
        if !healable {
            continue;
        }
        count += 1;
        for (task, outcome) in &outcomes {
            assert!(outcome.is_ok(), "{}: {:?}: {outcome:?}", damage.name, task.tree);
        }
        for depth in [Depth::Full, Depth::Quick] {
            assert_eq!(look(root, depth).findings, [], "{} {depth:?}", damage.name);
        }
        for (tree, before) in trees.iter().zip(&before) {
            let mended = outcomes.iter().find(|(task, _)| root.join(&task.tree) == *tree).unwrap();
            let whole = mended.1.as_ref().is_ok_and(|restored| restored.whole);
            // Made as a whole, folders that the layer does not mention have the time of now.
            let unlike = unlike(before, &picture(tree), &|path| whole && tree.join(path).is_dir());
            assert!(unlike.is_empty(), "{}: {}\n{}", damage.name, tree.display(), unlike.join("\n"));
        }
    }
    assert!(count >= 15, "only {count}");
}
