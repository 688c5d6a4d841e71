//! Malicious archives and images: each leads to a specific error or a counted skip, uses little memory, and writes
//! nothing.

#[path = "support/images.rs"]
mod images;

use std::io::Write;
use std::path::Path;

use alexnet::Error;
use alexnet::data::check::check;
use alexnet::data::decode::decode;
use alexnet::data::{Dataset, Statistics};
use images::{archive, jpeg, png, put, resident, tree};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The peak memory of all tests in this file.
const MOST_MEMORY: u64 = 700 << 20;

/// The header of an entry, without any checks.
fn header(name: &[u8], kind: u8, size: &[u8]) -> [u8; 512] {
    let mut bytes = [0; 512];
    bytes[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    bytes[100..107].copy_from_slice(b"0000644");
    bytes[124..124 + size.len()].copy_from_slice(size);
    bytes[156] = kind;
    bytes[257..265].copy_from_slice(b"ustar\x0000");
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

fn entry(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, format!("{:011o}", data.len()).as_bytes()).to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Two hundred malicious archives, with what each tries.
fn hostile_archives() -> Vec<(String, Vec<u8>)> {
    let image = jpeg(20, 16, 1);
    let good = || [entry(b"cat/1.jpg", b'0', &image), entry(b"dog/1.jpg", b'0', &image)].concat();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>| all.push((what.to_owned(), bytes));
    // Names that leave the archive.
    for name in [
        "/etc/cron.d/evil.jpg",
        "../evil.jpg",
        "cat/../../evil.jpg",
        "./../evil.jpg",
        "//evil.jpg",
        "cat/..",
        "..",
        "/",
        "C:\\evil.jpg",
        "cat\\..\\..\\evil.jpg",
        "\u{202e}gpj.exe",
        "cat/\u{1b}[2J.jpg",
        "",
        ".",
        "cat/\n.jpg",
        "~/.ssh/key.jpg",
    ] {
        add(&format!("name {name:?}"), [good(), entry(name.as_bytes(), b'0', &image)].concat());
    }
    add("a name that is not text", [good(), entry(b"cat/\xff\xfe.jpg", b'0', &image)].concat());
    add("nothing but an absolute name", entry(b"/etc/evil/1.jpg", b'0', &image));
    // Everything that is not a regular file: links, devices, pipes, sparse files, volumes, unknown types.
    for kind in 0..=255u8 {
        if [
            b'0', b'5', b'L', b'K', b'x', b'g', b'1', b'2', b'3', b'4', b'6', b'S', b'V', 0, 1, 0xff, b'A',
            b'7',
        ]
        .contains(&kind)
        {
            let mut link = header(b"cat/link.jpg", kind, b"00000000000");
            link[157..168].copy_from_slice(b"/etc/passwd");
            link[148..156].fill(b' ');
            let sum: u32 = link.iter().map(|&byte| u32::from(byte)).sum();
            link[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            add(&format!("kind {kind}"), [good(), link.to_vec()].concat());
        }
    }
    // Sizes beyond the end.
    for size in [
        b"77777777777".as_slice(),
        b"00000010000",
        b"-0000000001",
        b"zzzzzzzzzzz",
        b"           ",
        b"99999999999",
        &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff; 12],
        &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0],
    ] {
        add(
            &format!("size {}", size.escape_ascii()),
            [good(), header(b"cat/2.jpg", b'0', size).to_vec()].concat(),
        );
        add(
            &format!("long name of size {}", size.escape_ascii()),
            [good(), header(b"././@LongLink", b'L', size).to_vec()].concat(),
        );
        add(
            &format!("attributes of size {}", size.escape_ascii()),
            [good(), header(b"pax", b'x', size).to_vec()].concat(),
        );
    }
    // Contradicting attributes.
    for (key, value) in [
        ("size", "99999999999999999999"),
        ("size", "-1"),
        ("size", "18446744073709551615"),
        ("size", "x"),
        ("path", "../../evil.jpg"),
        ("path", "/evil.jpg"),
        ("path", ""),
        ("path", "cat/\0.jpg"),
        ("linkpath", "/etc/passwd"),
        ("GNU.sparse.realsize", "99999999999"),
    ] {
        let record = format!(" {key}={value}\n");
        let length = (record.len()..).find(|&n| n == record.len() + n.to_string().len()).unwrap();
        let record = format!("{length}{record}");
        add(
            &format!("{key}={value}"),
            [good(), entry(b"pax", b'x', record.as_bytes()), entry(b"cat/2.jpg", b'0', &image)].concat(),
        );
    }
    for record in ["", "5", "999 path=x\n", "0 a=b\n", "-3 a=b\n", "9 path\n", "\n\n\n"] {
        add(
            &format!("attribute {record:?}"),
            [good(), entry(b"pax", b'x', record.as_bytes()), entry(b"cat/2.jpg", b'0', &image)].concat(),
        );
    }
    // Long names: too many, unterminated, empty.
    for count in [1, 2, 50] {
        add(
            &format!("{count} long names"),
            [good(), entry(b"././@LongLink", b'L', b"cat/x.jpg\0").repeat(count)].concat(),
        );
    }
    add(
        "a name of two megabytes",
        [good(), entry(b"././@LongLink", b'L', &vec![b'a'; 2 << 20]), entry(b"x", b'0', b"")].concat(),
    );
    add(
        "a deep name",
        [good(), entry(b"././@LongLink", b'L', &b"a/".repeat(20_000)), entry(b"x", b'0', &image)].concat(),
    );
    // Truncated anywhere in the third header and its data.
    let three = [good(), entry(b"cat/2.jpg", b'0', &image)].concat();
    let start = good().len();
    for cut in (1..512 + image.len()).step_by(24) {
        add(&format!("cut after {cut} bytes"), three[..start + cut].to_vec());
    }
    // Wrong checksums, and bytes that are not an archive.
    for at in (0..512).step_by(16) {
        let mut bytes = three.clone();
        bytes[start + at] ^= 0x5a;
        add(&format!("byte {at} of a header"), bytes);
    }
    add("nothing", Vec::new());
    add("zeros", vec![0; 10_240]);
    add("ones", vec![0xff; 10_240]);
    add("text", b"hello, I am a tar ".repeat(100));
    // A bomb: a hundred thousand members in as many classes.
    let bomb: Vec<u8> =
        (0..100_000).flat_map(|i| header(format!("{i}/1.jpg").as_bytes(), b'0', b"00000000000")).collect();
    add("a hundred thousand classes", bomb);
    // Archives nested in archives.
    let mut nested = archive([("n01440764_1.JPEG", image.as_slice())]);
    for _ in 0..12 {
        nested = archive([("n01440764.tar", nested.as_slice())]);
    }
    add("archives in archives", nested);
    // Random bytes.
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    while all.len() < 240 {
        let mut bytes = three.clone();
        for _ in 0..8 {
            let at = generator.random_range(0..bytes.len());
            bytes[at] = generator.random();
        }
        all.push((format!("chance {}", all.len()), bytes));
    }
    all
}

/// Opens a source in every way and reads all of it.
fn use_it(path: &Path) -> Result<(), Error> {
    let looked_at = check(path, 2, &|_, _| ()).map(drop);
    let set = Dataset::open(path)?;
    for split in &set.splits {
        for index in 0..split.len() {
            let _ = split.image(index)?;
        }
    }
    Statistics::measure(set.train()?, 8, 1, &|_| Ok(()))?;
    looked_at
}

#[test]
fn two_hundred_hostile_archives() {
    let archives = hostile_archives();
    assert!(archives.len() >= 200, "{}", archives.len());
    let dir = tempfile::tempdir().unwrap();
    let (mut refused, mut opened) = (0, 0);
    for (what, bytes) in &archives {
        let inside = dir.path().join("inside");
        // As a tar of class folders, and as ImageNet's archive.
        for name in ["set.tar", "imagenet/ILSVRC2012_img_train.tar", "web/shards/train-0.tar"] {
            put(&inside, name, bytes);
            let path = inside.join(name);
            let source = if name.contains('/') { path.parent().unwrap() } else { &path };
            match use_it(source) {
                Ok(()) => opened += 1,
                Err(error) => {
                    assert_eq!(error.kind.exit_code(), 3, "{what}: {error}");
                    assert!(error.message.len() > 20 && error.message.len() < 4000, "{what}: {error}");
                    refused += 1;
                }
            }
            std::fs::remove_file(&path).unwrap();
        }
        assert!(tree(dir.path()).is_empty(), "{what}: a file was written");
    }
    assert!(opened > 40 && refused > 200, "{opened} opened, {refused} refused");
    assert_memory();
}

fn assert_memory() {
    if let Some((peak, _)) = resident() {
        assert!(peak < MOST_MEMORY, "peak memory of {} MB", peak >> 20);
    }
}

/// Sparse files: there is no data, and none is read.
#[cfg(unix)]
#[test]
fn huge_holes_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("holes.tar");
    for kind in [b'0', b'L', b'x'] {
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&entry(b"cat/1.jpg", b'0', &jpeg(20, 16, 1))).unwrap();
        // Sixty-four gigabytes of zeros.
        file.write_all(&header(b"cat/2.jpg", kind, &[0x80, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0])).unwrap();
        file.set_len(65 << 30).unwrap();
        match Dataset::open(&path) {
            Ok(set) => assert_eq!(set.split("all").unwrap().len(), 1),
            Err(error) => assert!(error.message.contains("exceed"), "{error}"),
        }
    }
    // An image of three gigabytes of zeros is skipped.
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&entry(b"cat/1.jpg", b'0', &jpeg(20, 16, 1))).unwrap();
    file.write_all(&header(b"cat/2.jpg", b'0', &[0x80, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0])).unwrap();
    file.set_len(4 << 30).unwrap();
    let set = Dataset::open(&path).unwrap();
    let all = set.split("all").unwrap();
    let skip = all.image(1).unwrap().unwrap_err();
    assert!(skip.reason.contains("bytes"), "{skip:?}");
    assert_memory();
}

/// Small files that claim to be, or unpack to, large ones.
#[test]
fn decompression_bombs_are_rejected() {
    let refused = |bytes: &[u8], what: &str| {
        let message = decode(bytes).expect_err(what).message;
        assert!(message.len() < 400, "{message}");
    };
    let deflate = |bytes: &[u8]| {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), kind.as_slice(), data, &crc.sum().to_be_bytes()].concat()
    };
    let png_of = |width: u32, height: u32, rest: &[u8]| {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &[&size[..], &[8, 2, 0, 0, 0]].concat())[..], rest].concat()
    };
    let end = chunk(b"IEND", b"");
    let rows = chunk(b"IDAT", &deflate(&vec![0; 1 << 20]));
    for (width, height) in
        [(20_000, 20_000), (u32::MAX >> 1, 1), (1, u32::MAX >> 1), (100_000, 1001), (0, 5), (5, 0)]
    {
        refused(&png_of(width, height, &[rows.clone(), end.clone()].concat()), "a huge PNG");
    }
    // Text and profiles that unpack to gigabytes are ignored or rejected.
    let zeros = deflate(&vec![0; 64 << 20]);
    for (kind, prefix) in [(b"zTXt", b"a\0\0".as_slice()), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\x01\0\0\0")] {
        let text = chunk(kind, &[prefix, &zeros].concat());
        let small = png(2, 2, 1);
        let _ = decode(&[&small[..33], &text.repeat(20), &small[33..]].concat());
    }
    // JPEGs with many scans, a huge frame, and endless restarts.
    let whole = jpeg(24, 16, 1);
    let frame = whole.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    for (height, width) in [(0xffffu16, 0xffffu16), (20_000, 20_000), (0, 16), (16, 0)] {
        let mut huge = whole.clone();
        huge[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        huge[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        refused(&huge, "a huge JPEG");
    }
    let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let body = &whole[scan..whole.len() - 2];
    let began = std::time::Instant::now();
    let _ = decode(&[&whole[..scan], &body.repeat(5000), &whole[whole.len() - 2..]].concat());
    let _ = decode(&[&whole[..scan], &[0xff, 0xd0].repeat(1 << 20), &whole[whole.len() - 2..]].concat());
    // A pass over the image for each of the scans would take hours.
    assert!(began.elapsed().as_secs() < 60);
    assert_memory();
}
