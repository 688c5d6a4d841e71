//! Files that grow record by record and outlive a full disk.

use std::fs::File;
use std::io::{self, Write};

use super::atomic;

/// A file that records are added to. Each goes to the file at once: who follows it sees it. What does not fit is kept and
/// written before the next record, so that the file never holds part of a record with another behind it.
#[derive(Debug)]
pub(crate) struct Append<W = File> {
    file: W,
    /// What could not be written yet.
    kept: Vec<u8>,
}

impl<W: Write> Append<W> {
    /// Adds behind what `file` holds: its cursor stands at the end.
    pub(crate) fn new(file: W) -> Self {
        Self { file, kept: Vec::new() }
    }

    /// Adds one record, in one go where that is possible: a reader never sees part of it for long.
    ///
    /// # Errors
    /// When it, or what was kept before it, cannot be written whole. The rest is then kept.
    pub(crate) fn add(&mut self, record: &[u8]) -> io::Result<()> {
        self.kept.extend_from_slice(record);
        while !self.kept.is_empty() {
            match self.file.write(&self.kept) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.kept.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Append<File> {
    /// Flushes what was written to the disk, where there is such a call.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn flush(&self) -> io::Result<()> {
        atomic::flush(&self.file)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A disk with `space` bytes left, which takes at most three at a time.
    #[derive(Debug)]
    pub(crate) struct Disk {
        pub(crate) space: usize,
        pub(crate) holds: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.space).min(3);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.space -= taken;
            self.holds.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_written_before_the_next_record() {
        let mut out = Append::new(Disk { space: 6, holds: Vec::new() });
        out.add(b"one.").unwrap();
        assert_eq!(out.add(b"two.").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(out.add(b"three.").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(out.file.holds, b"one.tw");
        out.file.space = 100;
        out.add(b"four.").unwrap();
        assert_eq!(out.file.holds, b"one.two.three.four.");
    }
}
