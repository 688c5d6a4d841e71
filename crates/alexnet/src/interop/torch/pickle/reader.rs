//! The operands of operations. Errors are texts, which [`load`](super::load) completes by a position.

/// Reads a pickle from its start.
pub(super) struct PickleReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> PickleReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number of bytes read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..len)
            .ok_or_else(|| format!("it is truncated: {len} bytes are expected, {} follow", rest.len()))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| "it is truncated".to_owned())
    }

    pub(super) fn u8(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn f64_big_endian(&mut self) -> Result<f64, String> {
        self.array().map(f64::from_be_bytes)
    }

    /// A length of 1, 2, 4 or 8 bytes.
    pub(super) fn length(&mut self, bytes: usize) -> Result<usize, String> {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(self.take(bytes)?);
        usize::try_from(u64::from_le_bytes(word)).map_err(|_| "a length exceeds this machine's".to_owned())
    }

    /// The bytes after a length of `width` bytes.
    pub(super) fn sized(&mut self, width: usize) -> Result<&'a [u8], String> {
        let len = self.length(width)?;
        self.take(len)
    }

    /// The rest of the line, without its end.
    pub(super) fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..end.ok_or("it is truncated: a line has no end")?];
        self.at += line.len() + 1;
        std::str::from_utf8(line).map_err(|_| "a line is not UTF-8".to_owned())
    }
}
