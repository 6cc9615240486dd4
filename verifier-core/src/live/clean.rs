//! What costs only space: folders without rows, and ingests that nobody will finish.

use super::{Act, Code, Held, LiveError};

impl Held<'_> {
    /// Has a snapshotter look for folders without rows and remove them: it does after the removal of a snapshot only, so one is
    /// made and removed.
    pub fn clean_folders(&mut self, namespace: &str, snapshotter: &str) -> Result<(), LiveError> {
        let namespace = self.store.live.namespace(namespace);
        let key = self.store.lease("-clean");
        match self.make_throw_away(&namespace, snapshotter, &key, "") {
            // A run was killed between the two.
            Err(why) if why.code() == Some(Code::AlreadyExists) => {}
            made => made?,
        }
        self.remove_throw_away(&namespace, snapshotter, &key, "")?;
        self.store.collect(&namespace)
    }

    /// Aborts ingests by their references, and says which there were.
    pub fn abort_ingests(
        &mut self,
        namespace: &str,
        references: &[String],
    ) -> Result<Vec<String>, LiveError> {
        let namespace = self.store.live.namespace(namespace);
        let mut aborted = Vec::new();
        for reference in references {
            self.store.before(&Act::AbortIngest {
                namespace: namespace.name().to_owned(),
                reference: reference.clone(),
            })?;
            if namespace.abort_ingest(reference)? {
                aborted.push(reference.clone());
            }
        }
        Ok(aborted)
    }
}
