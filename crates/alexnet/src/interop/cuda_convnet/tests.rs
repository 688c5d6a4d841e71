use super::*;
use crate::net::{DropoutScale, Init, LrCurve, LrSchedule, PoolSpec, RoundingSpec, Spec, Views, WeightSpec};

/// Two columns that exchange in conv2 and fc1, and dropout.
const LAYERS: &str = "\
# a small network
[data]
type=data
dataIdx=0

[labels]
type=data
dataIdx=1

[conv1a]
type=conv
inputs=data
channels=3
filters=4
stride=2
filterSize=5
initW=0.03
partialSum=1
gpu=0

[conv1b]
type=conv
inputs=data
channels=3
filters=4
stride=2
filterSize=5
initW=0.03
gpu=1

[norm1a]
type=cmrnorm
inputs=conv1a
channels=4
size=3

[norm1b]
type=cmrnorm
inputs=conv1b
channels=4
size=3

[pool1a]
type=pool
pool=max
inputs=norm1a
sizeX=3
stride=2
channels=4
neuron=relu

[pool1b]
type=pool
pool=max
inputs=norm1b
sizeX=3
stride=2
channels=4
neuron=relu

[conv2a]
type=conv
inputs=pool1a,pool1b
filters=6,6
padding=1,1
filterSize=3,3
channels=4,4
initW=0.02,0.02
initB=1
neuron=relu

[conv2b]
type=conv
inputs=pool1b,pool1a
filters=6,6
padding=1,1
filterSize=3,3
channels=4,4
initW=0.02,0.02
initB=1
neuron=relu

[conv3a]
type=conv
inputs=conv2a
filters=8
padding=1
filterSize=3
channels=6
groups=2
neuron=logistic

[conv3b]
type=conv
inputs=conv2b
filters=8
padding=1
filterSize=3
channels=6
groups=2
neuron=logistic

[fc1a]
type=fc
inputs=conv3a,conv3b
outputs=10
neuron=tanh[1,1]

[fc1b]
type=fc
inputs=conv3b,conv3a
outputs=10
neuron=tanh[1,1]

[hs1a]
type=hs
keep=0.7
inputs=fc1a

[hs1b]
type=hs
keep=0.7
inputs=fc1b

[fc5]
type=fc
inputs=hs1a,hs1b
outputs=5
initW=0.01,0.01

[probs]
type=softmax
inputs=fc5

[logprob]
type=cost.logreg
inputs=labels,probs
";

/// The parameters of that network, with a comment after a value.
fn parameters() -> String {
    parameters_with(2)
}

/// The parameters if parts of fc1 have this number of inputs.
fn parameters_with(fc_inputs: usize) -> String {
    let rates = |name: &str, inputs: usize, eps: &str, decay: &str| {
        let list = |value: &str| vec![value; inputs].join(",");
        let mut text = String::new();
        for column in ["a", "b"] {
            text += &format!(
                "[{name}{column}]\nepsW={}\nepsB=0.02 ; twice\nmomW={}\nmomB=0.9\nwc={}\n",
                list(eps),
                list("0.9"),
                list(decay)
            );
        }
        text
    };
    let mut text = rates("conv1", 1, "0.01", "0.004");
    text += &rates("conv2", 2, "0.01", "0");
    text += &rates("conv3", 1, "0.005", "0.004");
    text += &rates("fc1", fc_inputs, "0.01", "0.004");
    text += "[fc5]\nepsW=0.01,0.01\nepsB=0.01\nmomW=0.9,0.9\nmomB=0.9\nwc=0.004,0.004\n";
    text += "[norm1a]\nscale=0.001\npow=0.75\nminDiv=2\n[norm1b]\nscale=0.001\npow=0.75\nminDiv=2\n";
    text + "[hs1a]\nenable=true\n[hs1b]\nenable=true\n[logprob]\ncoeff=1\ntopk=5\n"
}

fn converted(layers: &str, parameters: &str) -> crate::Result<Converted> {
    convert((layers, "net.cfg"), (parameters, "params.cfg"), Images::default())
}

fn whole() -> Converted {
    converted(LAYERS, &parameters()).unwrap()
}

fn spec<'c>(converted: &'c Converted, name: &str) -> &'c Spec {
    &converted.recipe.layers.iter().find(|layer| layer.name == name).unwrap().spec
}

#[test]
fn columns_become_groups_in_the_order_of_the_file() {
    let converted = whole();
    let layers: Vec<(&str, String)> =
        converted.layers.iter().map(|made| (made.layer.name.as_str(), made.sections.join(" "))).collect();
    let layers: Vec<(&str, &str)> =
        layers.iter().map(|(name, sections)| (*name, sections.as_str())).collect();
    assert_eq!(
        layers,
        [
            ("conv1", "conv1a conv1b"),
            ("norm1", "norm1a norm1b"),
            ("pool1", "pool1a pool1b"),
            ("relu1", "pool1a pool1b"),
            ("conv2", "conv2a conv2b"),
            ("relu2", "conv2a conv2b"),
            ("conv3", "conv3a conv3b"),
            ("logistic3", "conv3a conv3b"),
            ("fc4", "fc1a fc1b"),
            ("tanh4", "fc1a fc1b"),
            ("drop4", "hs1a hs1b"),
            ("fc5", "fc5"),
        ]
    );
    let conv = |name: &str| match spec(&converted, name) {
        Spec::Conv(conv) => (conv.maps, conv.kernel, conv.stride, conv.pad, conv.groups, conv.rounding),
        other => panic!("{other:?}"),
    };
    assert_eq!(conv("conv1"), (8, 5, 2, 0, 1, RoundingSpec::Up));
    assert_eq!(conv("conv2"), (12, 3, 1, 1, 1, RoundingSpec::Down));
    assert_eq!(conv("conv3"), (16, 3, 1, 1, 4, RoundingSpec::Down));
    let norm = Spec::Lrn { size: 3, alpha: 0.001, beta: 0.75, k: 2.0, alpha_over_size: true, groups: 2 };
    assert_eq!(*spec(&converted, "norm1"), norm);
    let pool = Spec::MaxPool(PoolSpec { kernel: 3, stride: 2, pad: 0, rounding: RoundingSpec::Up });
    assert_eq!(*spec(&converted, "pool1"), pool);
    assert_eq!(*spec(&converted, "drop4"), Spec::Dropout { rate: 0.3, scale: DropoutScale::Test });
    assert_eq!(converted.recipe.classes, 5);
}

#[test]
fn rates_are_factors_of_the_most_common_one() {
    let converted = whole();
    let optimizer = &converted.recipe.optimizer;
    assert_eq!(
        (optimizer.rate, optimizer.momentum, optimizer.decay, optimizer.batch),
        (0.01, 0.9, 0.004, 128)
    );
    let weights = |name: &str| spec(&converted, name).weights().unwrap().clone();
    let normal = |std, bias, rate, bias_rate, decay| WeightSpec {
        init: Init::Normal(std),
        bias,
        rate,
        bias_rate,
        decay,
    };
    assert_eq!(weights("conv1"), normal(0.03, 0.0, 1.0, 2.0, None));
    assert_eq!(weights("conv2"), normal(0.02, 1.0, 1.0, 2.0, Some(0.0)));
    assert_eq!(weights("conv3"), normal(0.01, 0.0, 0.5, 2.0, None));
    assert_eq!(weights("fc5"), normal(0.01, 0.0, 1.0, 1.0, None));
    assert_eq!(converted.recipe.schedule.lr, LrSchedule::Constant { divide_by: None });
}

#[test]
fn images_have_the_sizes_that_are_asked_for() {
    let sizes = |square, crop| {
        let images = Images { square, crop };
        let recipe = convert((LAYERS, "net.cfg"), (&parameters(), "params.cfg"), images)?.recipe;
        Ok::<_, crate::Error>((
            recipe.input.square,
            recipe.input.crop,
            recipe.augment.flip,
            recipe.evaluation.views,
        ))
    };
    assert_eq!(sizes(None, None).unwrap(), (256, 224, true, Views::Ten));
    assert_eq!(sizes(Some(40), None).unwrap(), (40, 40, false, Views::Center));
    assert_eq!(sizes(Some(40), Some(36)).unwrap(), (40, 36, true, Views::Ten));
    assert!(sizes(Some(40), Some(41)).unwrap_err().message.contains("--crop 41, expected 1 to 40"));
    assert!(sizes(Some(3), None).unwrap_err().message.contains("layer conv1"));
}

#[test]
fn columns_that_never_exchange_end_in_convolutions_over_the_whole_map() {
    let layers = LAYERS
        .replace("inputs=conv3a,conv3b", "inputs=conv3a")
        .replace("inputs=conv3b,conv3a", "inputs=conv3b");
    let converted = converted(&layers, &parameters_with(1)).unwrap();
    let Spec::Conv(conv) = spec(&converted, "fc4") else { panic!("{:?}", spec(&converted, "fc4")) };
    // 224 pixels are 111 after conv1 and 55 after pool1.
    assert_eq!((conv.kernel, conv.groups, conv.maps), (55, 2, 20));
    let network = crate::net::Network::new(&converted.recipe, 5).unwrap();
    let fc4 = network.layers.iter().find(|layer| layer.name == "fc4").unwrap();
    assert_eq!((fc4.output.pixels(), fc4.output.channels), (1, 20));
    assert!(converted.gaps.iter().any(|gap| gap.what.contains("instead of fully connected layers: fc4")));
}

#[test]
fn a_network_without_columns_keeps_its_names() {
    let layers = "\
[data]
type=data
[labels]
type=data
[first]
type=local
inputs=data
channels=3
filters=4
filterSize=3
neuron=relu
[rnorm1]
type=rnorm
inputs=first
channels=4
sizeX=3
scale=0.00005
pow=.75
[pool1]
type=pool
pool=avg
inputs=rnorm1
sizeX=3
stride=2
[fc10]
type=fc
inputs=pool1
outputs=10
neuron=ident
[probs]
type=softmax
inputs=fc10
[logprob]
type=cost.logreg
inputs=labels,probs
";
    let rates = "epsW=0.001\nepsB=0.002\nmomW=0.9\nmomB=0.9\n";
    let converted = converted(layers, &format!("[first]\n{rates}[fc10]\n{rates}wc=1\n")).unwrap();
    let names: Vec<&str> = converted.recipe.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["first", "relu1", "norm1", "pool1", "fc10"]);
    assert_eq!(*spec(&converted, "norm1"), Spec::MapNorm { size: 3, alpha: 5e-5, beta: 0.75 });
    assert_eq!((converted.recipe.input.square, converted.recipe.input.crop), (32, 32));
    assert_eq!(spec(&converted, "fc10").weights().unwrap().decay, Some(1.0));
}

#[test]
fn changes_by_hand_are_the_schedule() {
    let notes =
        "# epoch 20: set epsw to 0.01 from 0.1\n# epoch 30: set epsw to 0 on conv1\n# epoch 40: killed\n";
    let parameters = parameters().replacen("epsW=0.01\nepsB=0.02", "epsW=0\nepsB=0", 2) + notes;
    let converted = converted(LAYERS, &parameters).unwrap();
    let recipe = &converted.recipe;
    assert_eq!((recipe.optimizer.rate, recipe.schedule.epochs), (0.1, 40));
    assert_eq!(recipe.schedule.lr, LrSchedule::AtEpochs { divide_by: 10.0, at_epochs: vec![20] });
    let rates = |name: &str| {
        let weights = spec(&converted, name).weights().unwrap();
        (weights.rate, weights.bias_rate)
    };
    assert_eq!((rates("conv1"), rates("conv2"), rates("conv3")), ((1.0, 0.2), (1.0, 0.2), (0.5, 0.2)));
    let gaps: Vec<&str> = converted.gaps.iter().map(|gap| gap.what.as_str()).collect();
    for part in ["starts at 0.1", "[conv1a] are those", "epoch 30: set epsw to 0 on conv1"] {
        assert!(gaps.iter().any(|gap| gap.contains(part)), "{part}: {gaps:?}");
    }
}

#[test]
fn a_layer_that_is_frozen_without_a_note_stays_frozen() {
    let parameters = parameters().replacen("epsW=0.01\nepsB=0.02", "epsW=0\nepsB=0", 2);
    let converted = converted(LAYERS, &parameters).unwrap();
    assert!(spec(&converted, "conv1").weights().unwrap().is_frozen());
}

#[test]
fn schedules_of_the_program_are_curves() {
    for (text, curve) in [
        ("linear[tgtFactor=100,noiseStdev=0]", LrCurve::Linear { to: 0.01 }),
        ("exp[tgtFactor=1000,noiseStdev=0]", LrCurve::Exponential { to: 0.001 }),
        ("dexp[tgtFactor=250,noiseStdev=0,numSteps=4]", LrCurve::Staircase { to: 0.004, levels: 4 }),
        ("dexp[250,0,4]", LrCurve::Staircase { to: 0.004, levels: 4 }),
        ("dexp[1000,4]", LrCurve::Staircase { to: 0.001, levels: 4 }),
    ] {
        let parameters = parameters().replace("momB=", &format!("schedW={text}\nschedB={text}\nmomB="));
        let converted = converted(LAYERS, &parameters).unwrap();
        assert_eq!(converted.recipe.schedule.lr, LrSchedule::Curve(curve), "{text}");
        assert!(!converted.gaps.iter().any(|gap| gap.what.contains("One schedule")));
    }
    // In cuda-convnet2 the initial value is a part of it.
    let later = parameters().replace("epsW=0.01\n", "epsW=dexp[base=0.01;tgtFactor=250;numSteps=4]\n");
    let later = converted(LAYERS, &later).unwrap();
    assert_eq!(later.recipe.optimizer.rate, 0.01);
    assert!(later.gaps.iter().any(|gap| gap.what.contains("One schedule")));
    let jumpy = parameters().replace("momB=", "schedW=jdexp[tgtFactor=10,noiseStdev=0,numSteps=4]\nmomB=");
    let jumpy = converted(LAYERS, &jumpy).unwrap();
    assert_eq!(jumpy.recipe.schedule.lr, LrSchedule::Constant { divide_by: None });
    assert!(jumpy.gaps.iter().any(|gap| gap.why.contains("jdexp")));
}

#[test]
fn what_recipes_lack_is_named() {
    let layers = LAYERS.replace("partialSum=1\n", "partialSum=1\nsharedBiases=0\nwarp=3\n");
    let parameters =
        parameters().replacen("wc=0.004", "wc=0.004\nwball=0.5", 2).replacen("momB=0.9", "momB=0.5", 2)
            + "[conv9]\nepsW=1\n";
    let parameters =
        parameters.replace("[hs1a]\nenable=true\n[hs1b]\nenable=true", "[hs1a]\nenable=0\n[hs1b]\nenable=0");
    let converted = converted(&layers, &parameters).unwrap();
    let gaps: Vec<&str> = converted.gaps.iter().map(|gap| gap.what.as_str()).collect();
    for part in [
        "No counterpart: `sharedBiases = 0` of [conv1a]",
        "No counterpart: `warp = 3` of [conv1a]",
        "No counterpart: `wball = 0.5` of [conv1a], [conv1b]",
        "Momentum 0.9 in all layers, also in [conv1a]",
        "Unused: [conv9] of params.cfg",
        "No dropout in [hs1a], [hs1b]",
        "Assumed: 90 epochs",
        "Assumed: batches of 128 images of 256 pixels, random crops of 224 and flips, and no color noise",
    ] {
        assert!(gaps.contains(&part), "{part}: {gaps:#?}");
    }
    assert_eq!(converted.recipe.differences, converted.gaps);
    assert!(converted.recipe.layers.iter().all(|layer| layer.name != "drop4"));
}

/// Converts with a change of the layers; the message and the help of the error must contain the parts.
#[track_caller]
fn refused(from: &str, to: &str, message: &str) {
    assert!(LAYERS.contains(from), "{from}");
    let error = converted(&LAYERS.replacen(from, to, 1), &parameters()).unwrap_err();
    assert!(error.message.contains(message), "{error}");
    assert!(error.help.is_some(), "{error}");
}

#[test]
fn malformed_layers_are_refused_with_their_lines() {
    refused("[conv1a]", "[conv1a", "net.cfg:10: `[conv1a`, expected the name of a section");
    refused("[conv1b]", "[conv1a]", "net.cfg:21: section [conv1a] is repeated; the first one is in line 10");
    refused("stride=2\n", "stride\n", "net.cfg:15: `stride`, expected `key = value`");
    refused(
        "stride=2\n",
        "stride=2\nStride=3\n",
        "net.cfg:16: `Stride` of [conv1a] is repeated; the first one is in line 15",
    );
    refused(
        "type=conv\n",
        "type=cnov\n",
        "net.cfg:11: `type` of [conv1a] is `cnov`, expected one of data, conv",
    );
    refused("type=cmrnorm", "type=cnorm", "no counterpart in recipes");
    refused("type=conv\n", "", "net.cfg:10: [conv1a]: `type` is missing");
    let swapped = converted(&parameters(), LAYERS).unwrap_err();
    assert!(swapped.message.contains("is a file of parameters, expected the layers first"), "{swapped}");
    refused("filters=4\n", "", "net.cfg:10: [conv1a]: `filters` is missing");
    refused("inputs=data\n", "", "net.cfg:10: [conv1a]: `inputs` is missing");
    refused("inputs=data\n", "inputs=dta\n", "net.cfg:10: [conv1a]: the input `dta` is unknown");
    refused("inputs=data\n", "inputs=\n", "expected names of layers");
    refused("filters=4\n", "filters=99999999999999999999\n", "expected an integer from 1 to 1048576");
    refused("filters=4\n", "filters=-4\n", "`filters` of [conv1a] is `-4`, expected an integer from 1");
    refused("initW=0.03", "initW=nan", "`initW` of [conv1a] is `nan`, expected a number from 0 to 1000");
    refused("initW=0.03", "initW=1e999", "expected a number from 0 to 1000");
    refused("filters=6,6", "filters=6,7", "expected the same value for all inputs");
    refused("filters=6,6", "filters=6,6,6", "expected 2 values, one for each input");
    refused("channels=6\n", "channels=5\n", "`channels` differs from that of [conv3a]");
    refused("keep=0.7\n", "keep=0\n", "expected a probability above 0");
    refused("neuron=logistic", "neuron=softrelu", "expected ident, relu, logistic or tanh[1,1]");
    refused("neuron=tanh[1,1]", "neuron=tanh[1.7,0.6]", "expected ident, relu, logistic or tanh[1,1]");
    refused("pool=max", "pool=l2", "expected max or avg");
    refused("pool=max\n", "pool=max\nstart=-1\n", "expected an integer from 0");
    refused("pool=max\n", "pool=max\nstart=1\n", "expected 0; other values have no counterpart");
}

#[test]
fn networks_that_are_no_chain_of_columns_are_refused() {
    refused("inputs=conv2a\n", "inputs=hs1a\n", "form a cycle: ");
    refused(
        "inputs=data\nchannels=3\nfilters=4",
        "inputs=conv1a\nchannels=3\nfilters=4",
        "[conv1a] -> [conv1a]",
    );
    refused("inputs=conv3a,conv3b", "inputs=conv3a", "it uses 1 of 2 columns");
    refused("inputs=conv3b,conv3a", "inputs=conv3b,conv3b", "expected every input once");
    refused("inputs=conv2a\n", "inputs=conv2b\n", "[conv2a]: no layer uses its outputs");
    refused("inputs=norm1a", "inputs=conv1a", "[pool1a]: `type` differs from that of [norm1a]");
    refused("filters=4\n", "filters=5\n", "`filters` differs from that of");
    refused("groups=2\n", "groups=1\n", "`groups` differs from that of [conv3a], the part of another column");
    refused("inputs=labels,probs", "inputs=labels", "1 inputs, expected 2");
    refused("inputs=labels,probs", "inputs=labels,fc5", "its inputs are not data and a softmax");
    refused("type=cost.logreg\n", "type=softmax\n", "0 layers of type cost.logreg, expected 1");
    refused(
        "[labels]\ntype=data",
        "[labels]\ntype=data\n[more]\ntype=data",
        "2 layers of type data besides the labels",
    );
    refused("[probs]\ntype=softmax", "[probs]\ntype=softmax\nchannels=1\n[late]\ntype=softmax", "");
    refused("inputs=fc5", "inputs=hs1a", "");
}

#[test]
fn invalid_parameters_are_refused_with_their_lines() {
    for (from, to, message) in [
        ("[conv1a]\nepsW=0.01\n", "[conv1a]\n", "params.cfg:1: [conv1a]: `epsW` is missing"),
        ("[conv2a]", "[conv2x]", "params.cfg: section [conv2a] is missing"),
        ("epsW=0.01\n", "epsW=0.02\n", "`epsW` differs from that of [conv1a]"),
        ("epsW=0.01,0.01", "epsW=0.01,0.02", "expected the same value for all inputs"),
        ("epsW=0.01\n", "epsW=-1\n", "params.cfg:2: `epsW` of [conv1a] is `-1`, expected a number from 0"),
        ("momW=0.9\n", "momW=1\n", "`momW` of [conv1a] is `1`, expected a number from 0 to 0.999999"),
        ("epsW=0.01\n", "epsW=dexp[base=0.01;tgtFactor=250\n", "expected a schedule such as"),
        ("epsW=0.01\n", "epsW=dexp[tgtFactor=250;numSteps=4]\n", "expected a schedule with `base`"),
        (
            "epsW=0.01\n",
            "epsW=0.01\nschedW=cosine[tgtFactor=2]\n",
            "expected default, linear, exp, dexp or jdexp",
        ),
        (
            "epsW=0.01\n",
            "epsW=0.01\nschedW=dexp[tgtFactor=0.5,noiseStdev=0,numSteps=4]\n",
            "expected a number from 1",
        ),
        (
            "epsW=0.01\n",
            "epsW=0.01\nschedW=dexp[tgtFactor=5,noiseStdev=0,numSteps=1]\n",
            "`numSteps` from 2 to 1000",
        ),
        ("scale=0.001\n", "", "`scale` is missing"),
    ] {
        let parameters = parameters();
        assert!(parameters.contains(from), "{from}");
        let error = converted(LAYERS, &parameters.replacen(from, to, 1)).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert!(error.help.is_some(), "{error}");
    }
    let still = parameters()
        .replace("epsW=0.01", "epsW=0")
        .replace("epsW=0.005", "epsW=0")
        .replace(",0.01\n", ",0\n");
    let still = still.replace("epsB=0.02", "epsB=0").replace("epsB=0.01", "epsB=0");
    assert!(converted(LAYERS, &still).unwrap_err().message.contains("nothing to train"));
}

#[test]
fn files_that_are_no_networks_are_refused() {
    for (text, message) in [
        ("", "net.cfg: no sections"),
        ("# only a comment\n", "net.cfg: no sections"),
        ("type=conv\n", "net.cfg:1: `type=conv` is in no section"),
        ("[]\n", "expected the name of a section"),
        ("[a]\n=3\n", "expected `key = value`"),
        ("[a]\ntype=data\n", "0 layers of type cost.logreg"),
        ("\u{0}\u{1}\n", "expected `key = value`"),
    ] {
        let error = converted(text, &parameters()).unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
    let many: String = (0..1001).map(|i| format!("[a{i}]\ntype=data\n")).collect();
    assert!(converted(&many, "[a]\n").unwrap_err().message.contains("more than 1000 sections"));
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.cfg"), folder.path().join("bad.cfg"));
    std::fs::write(&good, LAYERS).unwrap();
    std::fs::write(&bad, b"[conv1]\nname=\xff\n").unwrap();
    let error = read(&good, &bad, Images::default()).unwrap_err();
    assert!(error.message.contains("bad.cfg:2: not UTF-8"), "{error}");
    assert!(
        read(&folder.path().join("none.cfg"), &good, Images::default())
            .unwrap_err()
            .message
            .contains("none.cfg")
    );
    std::fs::write(&bad, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(
        read(&bad, &good, Images::default()).unwrap_err().message.contains("expected at most 1048576 bytes")
    );
}

#[test]
fn a_converted_recipe_reads_back() {
    let recipe = whole().recipe;
    assert_eq!(crate::net::Recipe::parse(&recipe.to_toml(), "back").unwrap(), recipe);
    assert_eq!(
        (recipe.name.as_str(), recipe.source.as_str()),
        ("net", "cuda-convnet, net.cfg and params.cfg")
    );
}
