//! The memory an engine plans.

use std::fmt;

/// Planned memory, itemized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTable {
    /// Description and size in bytes of each item.
    pub lines: Vec<(String, usize)>,
}

impl MemoryTable {
    /// The sum of all items, in bytes.
    pub fn total(&self) -> usize {
        self.lines.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl fmt::Display for MemoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        for (item, bytes) in &self.lines {
            writeln!(f, "{item:<34} {:>10.1} MiB", mib(*bytes))?;
        }
        write!(f, "{:<34} {:>10.1} MiB", "total memory", mib(self.total()))
    }
}
