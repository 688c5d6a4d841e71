//! `alexnet recipe`.

use std::path::Path;

use alexnet::model::Model;
use serde_json::Value;

use crate::support::{COLORS, Colors, path, run, run_json, save_model};

#[test]
fn recipes_are_shown() {
    let (value, _) = run_json(&["recipe", "show", "paper", "--json"], 0);
    assert_eq!((value["parameters"].as_u64(), value["macs"].as_u64()), (Some(60_965_224), Some(724_406_816)));
    assert_eq!(value["layers"][0]["name"], "conv1");
    let (value, _) = run_json(&["recipe", "show", "paper", "--json", "--classes", "10"], 0);
    assert_eq!(value["parameters"].as_u64(), Some(60_965_224 - 990 * 4097));
    let (value, _) = run_json(&["recipe", "list", "--json"], 0);
    let (list, _) = run(&["recipe", "list"], 0);
    assert_eq!(list.lines().count(), value["recipes"].as_array().unwrap().len());
    let folder = tempfile::tempdir().unwrap();
    let (toml, _) = run(&["recipe", "show", "small", "--toml"], 0);
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, toml).unwrap();
    run(&["recipe", "show", &path(&file)], 0);
    assert!(run(&["recipe", "diff", "paper", "caffe"], 0).0.contains("227"));
}

#[test]
fn differences_between_recipes_are_json() {
    let (value, _) = run_json(&["recipe", "diff", "paper", "caffe", "--json"], 0);
    assert_eq!(
        (&value["a"]["name"], &value["b"]["name"], &value["same"]),
        (&"paper".into(), &"caffe".into(), &false.into())
    );
    assert_eq!(value["a"]["parameters"], 60_965_224);
    let changes = value["changes"].as_array().unwrap();
    let of = |layer: Value, key: &str| {
        changes
            .iter()
            .find(|change| change["layer"] == layer && change["key"] == key)
            .map(|c| (&c["a"], &c["b"]))
    };
    assert_eq!(of(Value::Null, "input.crop"), Some((&224.into(), &227.into())));
    let (value, _) = run_json(&["recipe", "diff", "small", "small", "--json"], 0);
    assert_eq!((&value["same"], value["changes"].as_array().unwrap().len()), (&true.into(), 0));
    let set = ["--set", "layer.norm1=none", "--set", "optimizer.rate=0.1"];
    let (value, _) = run_json(&[&["recipe", "diff", "small", "small", "--json"], &set[..]].concat(), 0);
    assert_eq!(
        (&value["layers_removed"][0], value["layers_added"].as_array().unwrap().len()),
        (&"norm1".into(), 0)
    );
    assert_eq!(value["changes"][0]["key"], "optimizer.rate");
    // A single-precision value in its shortest form.
    assert_eq!(value["changes"][0]["b"].to_string(), "0.1");
}

#[test]
fn the_recipe_of_a_run_is_json() {
    let place = Colors::new(10);
    let to = place.path("run");
    let train = ["train", &place.data, "--recipe", &place.recipe, "--run", &to, "--seed", "7"];
    run(&[&train[..], &["--set", "optimizer.rate=1e-5"]].concat(), 0);
    run(&["edit", &to, "lr=1e-6", "stop-after=3"], 0);
    run(&["train", "--resume", &to], 0);
    let (value, _) = run_json(&["recipe", "from-journal", &to, "--json"], 0);
    let (toml, _) = run(&["recipe", "from-journal", &to], 0);
    assert!(toml.ends_with(value["toml"].as_str().unwrap()), "{toml}");
    assert_eq!((&value["seed"], &value["recipe"]["optimizer"]["rate"]), (&7.into(), &1e-5.into()));
    assert_eq!(value["recipe"]["edit"][0]["rate"], 1e-6);
    assert!(value["command"].as_str().unwrap().ends_with("--recipe FILE --seed 7"), "{value}");
}

/// The printed command, with the printed recipe, trains the same weights.
#[test]
fn the_command_of_a_run_trains_its_model_again() {
    let place = Colors::new(10);
    let [first, again, toml] = ["run", "again", "again.toml"].map(|name| place.path(name));
    let init = save_model(place.folder.path(), "init.safetensors", &COLORS);
    let train = ["train", &place.data, "--run", &first, "--set", "optimizer.rate=1e-5", "--seed", "7"];
    run(&[&train[..], &["--init", &init, "--steps", "3", "--leaves", "2"]].concat(), 0);
    let (value, _) = run_json(&["recipe", "from-journal", &first, "--json"], 0);
    std::fs::write(&toml, value["toml"].as_str().unwrap()).unwrap();
    let command = value["command"].as_str().unwrap();
    assert!(command.ends_with(&format!(" --seed 7 --init {init} --steps 3 --leaves 2")), "{command}");
    let command = command.replace(" FILE ", &format!(" {toml} "));
    run(&command.split(' ').skip(1).chain(["--run", &again]).collect::<Vec<&str>>(), 0);
    let weights = |run: &str| Model::load(Path::new(run).join("last.safetensors")).unwrap().parameters;
    assert!(weights(&first) == weights(&again));
}

/// Files of cuda-convnet become a recipe that the program reads; what it lacks is named.
#[test]
fn networks_of_cuda_convnet_become_recipes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [layers, parameters, recipe] = ["layers-7.cfg", "layer-params-7.cfg", "7.toml"].map(path);
    let network = "[data]\ntype=data\n[labels]\ntype=data\n\
        [conv1a]\ntype=conv\ninputs=data\nchannels=3\nfilters=8\nfilterSize=5\npadding=2\nneuron=relu\nwarp=3\n\
        [conv1b]\ntype=conv\ninputs=data\nchannels=3\nfilters=8\nfilterSize=5\npadding=2\nneuron=relu\n\
        [fc10]\ntype=fc\ninputs=conv1a,conv1b\noutputs=10\n\
        [probs]\ntype=softmax\ninputs=fc10\n[logprob]\ntype=cost.logreg\ninputs=labels,probs\n";
    std::fs::write(&layers, network).unwrap();
    let rates = "epsW=0.01\nepsB=0.02\nmomW=0.9\nmomB=0.9\nwc=0.004\n";
    std::fs::write(&parameters, format!("[conv1a]\n{rates}[conv1b]\n{rates}[fc10]\n{rates}")).unwrap();
    let convert = ["recipe", "from-cuda-convnet", &layers, &parameters];
    let (text, err) = run(&convert, 0);
    assert!(
        text.starts_with("# Converted from cuda-convnet, layers-7.cfg and layer-params-7.cfg."),
        "{text}"
    );
    assert!(
        text.contains("# conv1: conv1a, conv1b\n")
            && err.contains("note: No counterpart: `warp = 3` of [conv1a]. "),
        "{text}{err}"
    );
    std::fs::write(&recipe, text).unwrap();
    let (shown, _) = run_json(&["recipe", "show", &recipe, "--json"], 0);
    assert_eq!(
        (&shown["name"], &shown["parameters"]),
        (&"layers-7".into(), &(16 * 76 + 10 * (32 * 32 * 16 + 1)).into())
    );
    let (value, _) =
        run_json(&[&convert[..], &["--set", "schedule.epochs=3", "--square", "16", "--json"]].concat(), 0);
    assert_eq!(
        (&value["recipe"]["schedule"]["epochs"], &value["recipe"]["input"]["crop"]),
        (&3.into(), &16.into())
    );
    assert_eq!(value["sections"]["relu1"], serde_json::json!(["conv1a", "conv1b"]));
    assert!(value["without_counterpart"].as_array().unwrap().iter().any(|gap| gap["why"].is_string()));
    let (_, err) = run(&["recipe", "from-cuda-convnet", &parameters, &layers], 2);
    assert!(err.contains("layer-params-7.cfg is a file of parameters, expected the layers first"), "{err}");
    assert!(err.contains(&format!("from-cuda-convnet {layers} {parameters}")), "{err}");
    let (_, err) = run(&["recipe", "from-cuda-convnet", &path("none.cfg"), &layers], 1);
    assert!(err.contains("none.cfg"), "{err}");
}

/// Definitions of Caffe become a recipe that the program reads; what it lacks is named.
#[test]
fn definitions_of_caffe_become_recipes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [net, solver, recipe] = ["train_val.prototxt", "solver.prototxt", "mine.toml"].map(path);
    let layers = "name: \"Small\"\n\
        layer { name: \"data\" type: \"Data\" top: \"data\" top: \"label\" transform_param { crop_size: 28 mean_value: 120 }\n\
          data_param { batch_size: 100 } }\n\
        layer { name: \"conv1\" type: \"Convolution\" bottom: \"data\" top: \"conv1\" wavelet: 3\n\
          convolution_param { num_output: 16 kernel_size: 5 weight_filler { type: \"gaussian\" std: 0.01 } } }\n\
        layer { name: \"relu1\" type: \"ReLU\" bottom: \"conv1\" top: \"conv1\" }\n\
        layer { name: \"fc2\" type: \"InnerProduct\" bottom: \"conv1\" top: \"fc2\" inner_product_param { num_output: 10 } }\n\
        layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"fc2\" bottom: \"label\" }\n";
    std::fs::write(&net, layers).unwrap();
    std::fs::write(&solver, "base_lr: 0.01\nlr_policy: \"fixed\"\nmax_iter: 3000\nmomentum: 0.9\n").unwrap();
    let convert = ["recipe", "from-caffe", &net, &solver, "--square", "32", "--images", "50000"];
    let (text, err) = run(&convert, 0);
    assert!(text.starts_with("# Converted from Caffe, train_val.prototxt and solver.prototxt\n"), "{text}");
    assert!(err.contains("note: Ignored: `layer.wavelet` (line 4). "), "{err}");
    std::fs::write(&recipe, text).unwrap();
    let (shown, _) = run_json(&["recipe", "show", &recipe, "--json"], 0);
    assert_eq!(shown["parameters"], 16 * 76 + 10 * (24 * 24 * 16 + 1));
    let (value, _) = run_json(&[&convert[..], &["--set", "optimizer.rate=0.02", "--json"]].concat(), 0);
    assert_eq!(
        (&value["recipe"]["schedule"]["epochs"], &value["recipe"]["optimizer"]["rate"]),
        (&6.into(), &0.02.into())
    );
    assert!(value["without_counterpart"].as_array().unwrap().iter().any(|gap| gap["why"].is_string()));
    std::fs::write(
        &net,
        layers.replace("ReLU", "PReLU").replace("kernel_size: 5", "kernel_size: 5 dilation: 2"),
    )
    .unwrap();
    let (_, err) = run(&["recipe", "from-caffe", &net], 2);
    assert!(
        err.contains("line 4, layer conv1: `dilation` 2")
            && err.contains("line 6, layer relu1: type `PReLU`"),
        "{err}"
    );
    let (_, err) = run(&["recipe", "from-caffe", &path("none.prototxt")], 1);
    assert!(err.contains("none.prototxt"), "{err}");
}
