//! The calls that a kubelet makes, to a [`Containerd`] with its CRI plugins on.
//!
//! gRPC by hand, over curl: a call is an HTTP/2 POST of one message, which is a byte 0, its length (u32, big-endian) and
//! the protobuf; a message here is made of texts, numbers and messages only. Field numbers: k8s.io/cri-api
//! pkg/apis/runtime/v1/api.proto.

use std::process::Command;
use std::time::Duration;

use super::Containerd;
use super::process::run;

/// How long a call may take.
const CALL_LIMIT: Duration = Duration::from_secs(120);

/// A kubelet's view of a containerd.
#[derive(Debug, Clone, Copy)]
pub struct Cri<'a> {
    containerd: &'a Containerd,
}

/// Protobuf fields, in their encoding.
#[derive(Debug, Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    fn number(mut self, field: u64, number: u64) -> Message {
        self.varint(field << 3);
        self.varint(number);
        self
    }
}

impl<'a> Cri<'a> {
    /// The kubelet of `containerd`.
    pub fn new(containerd: &'a Containerd) -> Cri<'a> {
        Cri { containerd }
    }

    /// Pulls an image.
    pub fn pull(&self, image: &str) {
        self.call("ImageService/PullImage", &Message::default().message(1, &image_spec(image)));
    }

    /// Pulls an image, and says whether that succeeded.
    pub fn try_pull(&self, image: &str) -> bool {
        self.try_call("ImageService/PullImage", &Message::default().message(1, &image_spec(image))).is_ok()
    }

    /// Whether it has an image, by any of its names.
    pub fn has_image(&self, image: &str) -> bool {
        // The answer's field 1 is the image, which is there or not.
        !self.call("ImageService/ImageStatus", &Message::default().message(1, &image_spec(image))).is_empty()
    }

    /// Removes an image, by any of its names.
    pub fn remove_image(&self, image: &str) {
        self.call("ImageService/RemoveImage", &Message::default().message(1, &image_spec(image)));
    }

    /// Starts a pod on the host's network and gives its id.
    pub fn run_pod(&self, name: &str) -> String {
        self.call("RuntimeService/RunPodSandbox", &Message::default().message(1, &pod_config(name)))
    }

    /// Makes a container in a pod and gives its id.
    pub fn create(&self, pod: &str, pod_name: &str, image: &str, name: &str, command: &[&str]) -> String {
        let metadata = Message::default().text(1, name);
        let config = Message::default().message(1, &metadata).message(2, &image_spec(image));
        let config = command.iter().fold(config, |config, word| config.text(3, word));
        let request = Message::default().text(1, pod).message(2, &config).message(3, &pod_config(pod_name));
        self.call("RuntimeService/CreateContainer", &request)
    }

    /// Starts a container.
    pub fn start(&self, container: &str) {
        self.call("RuntimeService/StartContainer", &Message::default().text(1, container));
    }

    /// Stops a container, at once.
    pub fn stop(&self, container: &str) {
        self.call("RuntimeService/StopContainer", &Message::default().text(1, container));
    }

    /// Removes a container.
    pub fn remove(&self, container: &str) {
        self.call("RuntimeService/RemoveContainer", &Message::default().text(1, container));
    }

    /// Stops a pod.
    pub fn stop_pod(&self, pod: &str) {
        self.call("RuntimeService/StopPodSandbox", &Message::default().text(1, pod));
    }

    /// Removes a pod.
    pub fn remove_pod(&self, pod: &str) {
        self.call("RuntimeService/RemovePodSandbox", &Message::default().text(1, pod));
    }

    /// Makes a call and gives the text in field 1 of the answer, which is an id wherever there is one.
    fn call(&self, method: &str, request: &Message) -> String {
        self.try_call(method, request).unwrap_or_else(|why| panic!("{method}: {why}"))
    }

    /// [`Cri::call`], or what was answered instead.
    fn try_call(&self, method: &str, request: &Message) -> Result<String, String> {
        let socket = self.containerd.socket();
        let folder = socket.parent().expect("the socket is in a folder");
        let (sent, got) = (folder.join("cri-request"), folder.join("cri-answer"));
        let length = u32::try_from(request.0.len()).expect("a short request");
        let frame: Vec<u8> = [&[0][..], &length.to_be_bytes(), &request.0].concat();
        std::fs::write(&sent, frame).expect("request");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--http2-prior-knowledge", "--dump-header", "-", "--output"]);
        curl.arg(&got).arg("--unix-socket").arg(&socket).arg("--data-binary");
        curl.arg(format!("@{}", sent.display())).args([
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
        ]);
        let output = run(curl.arg(format!("http://containerd/runtime.v1.{method}")), CALL_LIMIT);
        let headers = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        if !headers.contains("grpc-status: 0") {
            return Err(format!("{headers}{why}"));
        }
        Ok(first_text(std::fs::read(&got).unwrap_or_default().get(5..).unwrap_or_default()))
    }
}

fn image_spec(image: &str) -> Message {
    Message::default().text(1, image)
}

fn pod_config(name: &str) -> Message {
    const NODE: u64 = 2;
    let metadata = Message::default().text(1, name).text(2, name).text(3, "default");
    let namespaces = Message::default().number(1, NODE);
    let security = Message::default().message(1, &namespaces);
    Message::default().message(1, &metadata).message(8, &Message::default().message(2, &security))
}

/// The text of a message's first field, if that is field 1; all texts here are shorter than 128 bytes.
fn first_text(message: &[u8]) -> String {
    match message {
        [0x0a, length, rest @ ..] => {
            String::from_utf8_lossy(rest.get(..usize::from(*length)).unwrap_or_default()).into_owned()
        }
        _ => String::new(),
    }
}
