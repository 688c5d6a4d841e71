//! Files that grow by records and survive a full disk.

use std::fs::File;
use std::io::{self, Write};

use super::atomic;

/// A file to append records to. Each record is written immediately. If the disk is full, the rest is kept in memory and
/// written before the next record, so that a partial record is never followed by another one.
#[derive(Debug)]
pub(crate) struct Append<W = File> {
    file: W,
    /// Bytes that could not be written yet.
    pending: Vec<u8>,
}

impl<W: Write> Append<W> {
    /// Appends to `file`, whose cursor must be at its end.
    pub(crate) fn new(file: W) -> Self {
        Self { file, pending: Vec::new() }
    }

    /// Appends a record, in one write if possible.
    ///
    /// # Errors
    /// Returns an error if the record and the pending bytes before it cannot be written completely. The rest stays pending.
    pub(crate) fn add(&mut self, record: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(record);
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.pending.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Append<File> {
    /// Flushes the file to the disk.
    ///
    /// # Errors
    /// Returns an error if that fails.
    pub(crate) fn flush(&self) -> io::Result<()> {
        atomic::flush(&self.file)
    }
}

/// The complete lines of a file of records. What follows the last line break is being written, or was when the program was
/// killed; it may end in the middle of a character.
///
/// # Errors
/// Returns an error if a complete line is not UTF-8.
pub(crate) fn complete_lines(mut bytes: Vec<u8>) -> io::Result<String> {
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A disk with `space` bytes left, which accepts at most three bytes per write.
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
    fn an_incomplete_line_may_end_inside_a_character() {
        let bytes = "é\nü\n".as_bytes();
        for (cut, whole) in [(0, ""), (1, ""), (2, ""), (3, "é\n"), (4, "é\n"), (5, "é\n"), (6, "é\nü\n")]
        {
            assert_eq!(complete_lines(bytes[..cut].to_vec()).unwrap(), whole, "cut at {cut}");
        }
        let error = complete_lines(b"a\n\xc3\n".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not UTF-8");
    }

    #[test]
    fn pending_bytes_are_written_before_the_next_record() {
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
