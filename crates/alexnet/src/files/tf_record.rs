//! The checksums of TFRecord, TensorFlow's files of messages.

use crc::{CRC_32_ISCSI, Crc};

/// The masked CRC32C of TFRecord, which stays meaningful for data that contain checksums.
pub(crate) fn masked_checksum(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_masked_crc32c() {
        // The check value of CRC32C for these digits is 0xe3069283.
        assert_eq!(masked_checksum(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
        assert_eq!(masked_checksum(b"123456789"), 0xc78a_b0e5);
    }
}
