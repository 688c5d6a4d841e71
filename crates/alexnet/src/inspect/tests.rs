//! Kernels of small networks with planted weights, and their figures read back.

use roxmltree::{Document, Node};

use super::color::{ColorVariance, ColumnColor};
use super::grid::{KernelGrid, Levels, draw};
use super::kernels::dequantized;
use super::neighbors::{Neighbor, Neighborhood, hidden_layer};
use super::predictions::PredictedImage;
use super::{Colors, Columns, Kernels, figures};
use crate::data::{Image, decode};
use crate::engine::{IntegerWeights, QuantizedLayer, Values, WinogradWeights};
use crate::error::Kind;
use crate::net::{Network, Recipe};
use alexnet_kernels::int8::Algorithm;

/// A network of these layers and one more, fully connected, for 3 classes and crops of 12 pixels.
fn network(layers: &str) -> Network {
    let text = format!(
        r#"
        name = "test"
        summary = "a test"
        source = "made up"
        classes = 3
        layer = [{layers}, {{ name = "fc9", kind = "fc" }}]
        input = {{ square = 12, crop = 12, mean = {{ fixed = [128, 128, 128] }} }}
        augment = {{ random_crop = false, flip = false, color_noise = 0.0 }}
        optimizer = {{ batch = 4, rate = 0.001, momentum = 0.9, decay = 0.0 }}
        schedule = {{ epochs = 2, divide_by = 10.0 }}
        evaluation = {{ views = 1 }}
        "#
    );
    Network::new(&Recipe::parse(&text, "test").unwrap(), 3).unwrap()
}

/// A first convolution with this number of maps and side of kernels.
fn conv1(maps: usize, kernel: usize) -> String {
    format!(r#"{{ name = "conv1", kind = "conv", maps = {maps}, kernel = {kernel} }}"#)
}

const CONV2: &str = r#"{ name = "conv2", kind = "conv", maps = 4, kernel = 3, groups = 2 }"#;

/// Two columns of two maps with kernels of 2 x 2: a gray edge and zeros, then red against green and a blue edge.
fn planted() -> Kernels {
    let edge = [0.5, -0.5, 0.5, -0.5];
    let minus = edge.map(|weight: f32| -weight);
    let zero = [0.0; 4];
    let weights = [[edge, edge, edge], [zero; 3], [edge, minus, zero], [zero, zero, edge.map(|w| w / 5.0)]];
    let network = network(&format!("{}, {CONV2}", conv1(4, 2)));
    Kernels::new(&network, weights.as_flattened().as_flattened(), Colors::Rgb).unwrap()
}

#[test]
fn columns_are_the_groups_of_the_layer_that_reads_the_maps() {
    let columns = |layers: &[&str]| {
        let network = network(&layers.join(", "));
        Columns::of(&network, 0)
    };
    let of = |count, layer: Option<&str>| Columns { count, layer: layer.map(str::to_owned) };
    let conv1 = &conv1(12, 3);
    let norm = r#"{ name = "norm1", kind = "lrn", size = 5, alpha = 1e-4, beta = 0.75, k = 2.0, groups = 4, alpha_over_size = false }"#;
    let relu = r#"{ name = "relu1", kind = "relu" }"#;
    let ungrouped = r#"{ name = "conv2", kind = "conv", maps = 4, kernel = 3 }"#;
    assert_eq!(columns(&[conv1]), of(1, None));
    assert_eq!(columns(&[conv1, relu, CONV2]), of(2, Some("conv2")));
    assert_eq!(columns(&[conv1, norm, relu, CONV2]), of(2, Some("conv2")));
    assert_eq!(columns(&[conv1, relu, norm]), of(4, Some("norm1")));
    // An ungrouped layer reads both columns: those of later layers are not those of the first.
    assert_eq!(columns(&[conv1, ungrouped, &CONV2.replace("conv2", "conv3")]), of(1, None));
    let grouped = &conv1.replace("kernel = 3", "kernel = 3, groups = 3");
    assert_eq!(columns(&[grouped, CONV2]), of(3, Some("conv1")));
    let paper = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
    assert_eq!(Columns::of(&paper, 0), of(2, Some("conv2")));
    let original = Network::new(&Recipe::load("original-2012").unwrap(), 1000).unwrap();
    assert_eq!(Columns::of(&original, 0).count, 2);
    let torchvision = Network::new(&Recipe::load("torchvision").unwrap(), 1000).unwrap();
    assert_eq!(Columns::of(&torchvision, 0), of(1, None));
}

#[test]
fn planted_colors_are_found() {
    let kernels = planted();
    assert_eq!((kernels.maps, kernels.side, kernels.maps_per_column()), (4, 2, 2));
    let color = kernels.color().unwrap();
    let [gray, colored] = &color[..] else { panic!("{color:?}") };
    assert_eq!((gray.color_share, &gray.color_shares[..]), (Some(0.0), &[Some(0.0), None][..]));
    let ColumnColor { column, first_map, color_share, color_shares } = colored;
    assert_eq!((*column, *first_map, color_shares[0]), (2, 2, Some(1.0)));
    assert!((color_shares[1].unwrap() - 2.0 / 3.0).abs() < 1e-12);
    // 8 * 0.25 of chroma in the first, 2/3 and 1/3 of 4 * 0.01 in the second.
    assert!((color_share.unwrap() - (2.0 + 0.08 / 3.0) / 2.04).abs() < 1e-7, "{color_share:?}");
    let difference = kernels.color_difference().unwrap();
    assert!((difference.difference - color_share.unwrap()).abs() < 1e-12);
    // One of the three ways to divide four kernels in two.
    assert!(difference.p > 0.2, "{difference:?}");
}

#[test]
fn kernels_of_gray_images_are_the_mean_of_their_channels() {
    let network = network(&conv1(1, 1));
    let kernels = Kernels::new(&network, &[0.5, -0.25, 0.5], Colors::Gray).unwrap();
    assert_eq!((kernels.kernel(0), kernels.color()), (&[0.25; 3][..], None));
    assert!(figures::filters(&kernels, Levels::Shared).contains("the images are gray"));
}

#[test]
fn a_grouped_kernel_is_zero_in_other_channels() {
    let layers = conv1(3, 2).replace("kernel = 2", "kernel = 2, groups = 3");
    let weights: Vec<f32> = (1..=12).map(|weight| weight as f32).collect();
    let kernels = Kernels::new(&network(&layers), &weights, Colors::Rgb).unwrap();
    assert_eq!(kernels.kernel(1), [0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
    let variance = ColorVariance::of(kernels.kernel(0));
    assert!(variance.chroma > 0.0 && kernels.columns.count == 3);
}

#[test]
fn kernels_are_read_from_quantized_layers() {
    let network = network(&conv1(2, 1));
    let (layer, biases) = (&network.layers[0], vec![0.0; 2]);
    let weights = vec![127, -127, 0, 1, 2, 3];
    let integers = IntegerWeights { weights, scales: vec![0.5, 10.0], biases: biases.clone() };
    let found = dequantized(layer, &QuantizedLayer::Direct(integers, Values::Floats)).unwrap();
    assert_eq!(found, [63.5, -63.5, 0.0, 10.0, 20.0, 30.0]);
    let transformed = WinogradWeights {
        algorithm: Algorithm::from_name("F(2,3)").unwrap(),
        weights: vec![],
        scales: vec![],
        input_scales: vec![],
        biases,
    };
    let error = dequantized(layer, &QuantizedLayer::Winograd(transformed, Values::Floats)).unwrap_err();
    assert!(error.message.contains("`conv1`") && error.message.contains("Winograd"), "{error}");
    assert_eq!(error.help.as_deref(), Some("use the model that it was quantized from"));
}

#[test]
fn networks_without_kernels_to_show_are_refused() {
    let refused = |layers: &str, weights: &[f32]| {
        let error = Kernels::new(&network(layers), weights, Colors::Rgb).unwrap_err();
        assert_eq!(error.kind, Kind::Model, "{error}");
        error.message
    };
    let local = conv1(2, 3).replace(r#"kind = "conv""#, r#"kind = "local""#);
    assert!(
        refused(&local, &[])
            .contains("`conv1`, is locally connected: it has other kernels at each of its 10 x 10")
    );
    let fc = r#"{ name = "fc1", kind = "fc", units = 4 }"#;
    assert!(refused(fc, &[]).contains("`fc1`, is fully connected, expected a convolution"));
    assert_eq!(
        refused(&conv1(1, 1), &[0.0, f32::NAN, 1.0]),
        "tensor `conv1.weight` has the value NaN at position 1, expected finite values"
    );
}

#[test]
fn the_grid_has_the_kernels_in_order_and_the_right_levels() {
    let kernels = planted();
    let grid = KernelGrid::of(&kernels);
    assert_eq!((grid.per_row, grid.rows, grid.zoom, grid.cell), (2, 1, 22, 44));
    let pixel = |image: &Image, x: usize, y: usize| -> [u8; 3] {
        image.pixels[3 * (y * image.width + x)..][..3].try_into().unwrap()
    };
    let gray = draw(&kernels, 0, Levels::Shared);
    assert_eq!((gray.width, gray.height), (92, 44));
    for (x, y, expected) in [
        // The light half of the edge up to its last pixel, the dark half, the gap, and the kernel of zeros.
        (0, 0, [255; 3]),
        (21, 43, [255; 3]),
        (22, 0, [0; 3]),
        (43, 43, [0; 3]),
        (44, 10, [255; 3]),
        (48, 0, [128; 3]),
        (91, 43, [128; 3]),
    ] {
        assert_eq!(pixel(&gray, x, y), expected, "{x}, {y}");
    }
    let color = draw(&kernels, 1, Levels::Shared);
    assert_eq!((pixel(&color, 0, 0), pixel(&color, 22, 0)), ([255, 0, 128], [0, 255, 128]));
    // A fifth of the largest weight: 127.5 + 25.5.
    assert_eq!(pixel(&color, 48, 0), [128, 128, 153]);
    assert_eq!(pixel(&draw(&kernels, 1, Levels::PerKernel), 48, 0), [128, 128, 255]);
    let zeros = Kernels::new(&network(&conv1(1, 1)), &[0.0; 3], Colors::Rgb).unwrap();
    assert_eq!(pixel(&draw(&zeros, 0, Levels::PerKernel), 0, 0), [128; 3]);
}

#[test]
fn grids_suit_any_number_and_size_of_kernels() {
    let grid = |maps: usize, side: usize| {
        let kernels =
            Kernels::new(&network(&conv1(maps, side)), &vec![0.5; 3 * maps * side * side], Colors::Rgb);
        KernelGrid::of(&kernels.unwrap())
    };
    for (maps, side, per_row, rows, zoom) in [
        (1, 1, 1, 1, 44),
        (16, 3, 16, 1, 15),
        (17, 5, 9, 2, 9),
        (48, 11, 16, 3, 4),
        (64, 7, 16, 4, 6),
        (1000, 12, 32, 32, 4),
    ] {
        let found = grid(maps, side);
        assert_eq!((found.per_row, found.rows, found.zoom), (per_row, rows, zoom), "{maps} of {side}");
        assert!(found.per_row * found.rows >= maps);
    }
}

/// All elements with a name.
fn all<'a>(document: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(name)).collect()
}

/// The images in a figure.
fn embedded(document: &Document<'_>) -> Vec<Image> {
    use base64::Engine;
    let decode = |node: Node<'_, '_>| {
        let link = node.attribute("href").unwrap().strip_prefix("data:image/png;base64,").unwrap();
        decode::decode(&base64::engine::general_purpose::STANDARD.decode(link).unwrap()).unwrap()
    };
    all(document, "image").into_iter().map(decode).collect()
}

fn texts(document: &Document<'_>) -> Vec<String> {
    all(document, "text").iter().filter_map(Node::text).map(str::to_owned).collect()
}

#[test]
fn the_figure_of_filters_has_a_heading_and_an_image_for_each_column() {
    let kernels = planted();
    let svg = figures::filters(&kernels, Levels::Shared);
    let document = Document::parse(&svg).unwrap();
    let images = embedded(&document);
    assert_eq!(images, [draw(&kernels, 0, Levels::Shared), draw(&kernels, 1, Levels::Shared)]);
    let texts = texts(&document);
    for expected in [
        "conv1: 4 kernels of 2 x 2 weights",
        "one scale for all kernels: black is -0.500, middle gray 0, white 0.500",
        "color share: variance outside the gray direction; random weights have 67 %",
        "columns: the groups of conv2",
        "column 1, maps 0 to 1: color share 0.0 %",
        "column 2, maps 2 to 3: color share 99.3 %",
    ] {
        assert!(texts.iter().any(|text| text == expected), "no {expected:?} in {texts:#?}");
    }
}

fn square(side: usize, value: u8) -> Image {
    Image::new(side, side, vec![value; 3 * side * side])
}

#[test]
fn the_figure_of_predictions_has_bars_as_long_as_the_probabilities() {
    let classes =
        ["cat & <dog>", "כלב", "a\u{1b}[31mred", "an endless name of a class of images"].map(str::to_owned);
    let image = |label, top: &[(usize, f64)]| PredictedImage {
        file: "pets/\"a\"/1.png".to_owned(),
        label,
        square: square(8, 200),
        top: top.to_vec(),
    };
    let images =
        [image(Some(1), &[(0, 0.5), (1, 0.25), (3, 0.2), (2, 0.05)]), image(None, &[(2, 1.0), (0, 0.0)])];
    assert_eq!((images[0].rank(), images[1].rank()), (Some(1), None));
    let svg = figures::predictions(&images, &classes, "a < b");
    let document = Document::parse(&svg).unwrap();
    let bars: Vec<(String, f64)> = all(&document, "rect")
        .iter()
        .filter(|node| ["correct", "other"].contains(&node.attribute("class").unwrap()))
        .map(|node| {
            (node.attribute("class").unwrap().to_owned(), node.attribute("width").unwrap().parse().unwrap())
        })
        .collect();
    let expected = [
        ("other", 92.0),
        ("correct", 46.0),
        ("other", 36.8),
        ("other", 9.2),
        ("other", 184.0),
        ("other", 0.0),
    ];
    assert_eq!(bars, expected.map(|(class, width)| (class.to_owned(), width)));
    let texts = texts(&document);
    for expected in ["a < b", "cat & <dog>", "\u{2068}כלב\u{2069}", "50.0 %", "1.png", "correct class"] {
        assert!(texts.iter().any(|text| text == expected), "no {expected:?} in {texts:#?}");
    }
    assert!(texts.iter().any(|text| text.contains("a\u{fffd}[31mred")), "{texts:#?}");
    assert!(texts.iter().any(|text| text.contains("an endless name o…")), "{texts:#?}");
    assert_eq!(embedded(&document), [square(8, 200), square(8, 200)]);
    assert!(all(&document, "title").iter().any(|title| title.text() == Some("pets/\"a\"/1.png")));
}

#[test]
fn the_figure_of_neighbors_has_their_classes_and_distances() {
    let classes = ["cat".to_owned(), "dog".to_owned()];
    let neighbor = |label, distance, value| Neighbor {
        file: format!("train/{value}.png"),
        label,
        distance,
        square: square(500, value),
    };
    let row = Neighborhood {
        file: "val/1.png".to_owned(),
        label: Some(0),
        square: square(8, 1),
        neighbors: vec![neighbor(0, 1.25, 2), neighbor(1, 31.0, 3)],
    };
    let svg = figures::neighbors(&[row], &classes, "title", "measure");
    let document = Document::parse(&svg).unwrap();
    let lines = texts(&document);
    let at = lines.iter().position(|text| text == "cat").unwrap();
    assert_eq!(lines[at..], ["cat", "cat", "1.25", "dog", "31.00"]);
    let colors: Vec<&str> =
        all(&document, "text")[at..].iter().map(|node| node.attribute("fill").unwrap()).collect();
    assert_ne!(colors[3], colors[1]);
    // Large squares are embedded with twice the pixels that they are shown with.
    assert_eq!(embedded(&document), [square(8, 1), square(224, 2), square(224, 3)]);
}

#[test]
fn the_hidden_layer_is_the_last_one_before_the_classes() {
    let paper = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
    assert_eq!(hidden_layer(&paper).unwrap(), "relu7");
    let relu = r#"{ name = "relu1", kind = "relu" }"#;
    assert_eq!(hidden_layer(&network(&format!("{}, {relu}", conv1(1, 1)))).unwrap(), "relu1");
    let dropout = r#"{ name = "drop", kind = "dropout", rate = 0.5, scale = "test" }"#;
    assert!(hidden_layer(&network(dropout)).is_err());
}
