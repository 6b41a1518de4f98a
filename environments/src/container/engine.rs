//! The container engine: Docker, or one that answers as it does, over its socket on this machine.
//!
//! Source: Docker Engine API 1.41, which engines since 2020 speak.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::launch::{Progress, Step};
use crate::rootfs::Root;

/// Sockets that engines listen on where nobody says otherwise.
const SOCKETS: [&str; 2] = ["/run/docker.sock", "/run/podman/podman.sock"];

/// How long the engine may take for an answer, in seconds; taking an image over is the longest.
const ANSWER_SECONDS: u64 = 900;

/// How long containers have to be gone once they were removed.
const GONE: Duration = Duration::from_secs(15);

/// How often something that the engine does by itself is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// How often is told how much of an image the engine has.
const TELL: Duration = Duration::from_secs(2);

/// The label by which an environment's containers and network are found again.
const LABEL: &str = "mailwright.environment";

/// The name under which engines keep root file systems; each is a tag of it.
const IMAGES: &str = "mailwright/root";

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineFailure {
    /// An address of another kind than this machine's sockets.
    #[error("DOCKER_HOST is `{address}`, and only an engine's socket on this machine is spoken to")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers.
    #[error("no container engine answers at {}", socket.display())]
    Silent {
        /// Where it was looked for.
        socket: PathBuf,
        /// What happened.
        source: Error,
    },
    /// The engine did not do what it was asked.
    #[error("the container engine could not {what}")]
    Refused {
        /// What it was asked.
        what: String,
        /// What it said.
        source: Error,
    },
    /// The root file system could not be packed for it.
    #[error("could not give the container engine the root file system")]
    Pack {
        /// What the system said.
        source: std::io::Error,
    },
    /// The container is not of this machine.
    #[error("the container of {node} does not reach this program: {reason}")]
    Elsewhere {
        /// The node.
        node: String,
        /// What happened instead.
        reason: String,
    },
}

impl EngineFailure {
    /// Returns what to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write it as DOCKER_HOST=unix:///run/docker.sock, or bring it up with `--backend namespace`".to_owned()
            }
            Self::Silent { .. } => {
                "start one (`systemctl start docker`, or `podman system service --time 0`), name its \
                                    socket with DOCKER_HOST=unix:///PATH, or bring it up with `--backend namespace`"
                    .to_owned()
            }
            Self::Refused { .. } => "see what the engine's own log says".to_owned(),
            Self::Pack { .. } => "see that `tar` is installed and the root file system can be read".to_owned(),
            Self::Elsewhere { .. } => {
                "the engine must run on this machine, see its folders, and not be inside another container".to_owned()
            }
        }
    }
}

/// An engine that answers.
pub(crate) struct Engine {
    docker: Docker,
    socket: PathBuf,
    runtime: Runtime,
}

/// A container that is to run.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    pub(crate) body: ContainerCreateBody,
}

/// Returns where an engine is looked for.
///
/// - `address`: what `DOCKER_HOST` says, if anything.
fn socket(address: Option<&str>) -> Result<PathBuf, EngineFailure> {
    match address.filter(|address| !address.is_empty()) {
        Some(address) => match address.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err(EngineFailure::Address { address: address.to_owned() }),
        },
        None => {
            let there = SOCKETS.iter().map(PathBuf::from).find(|socket| socket.exists());
            Ok(there.unwrap_or_else(|| PathBuf::from("/run/docker.sock")))
        }
    }
}

impl Engine {
    /// Finds the engine and has it answer.
    pub(crate) fn connect(address: Option<&str>) -> Result<Self, EngineFailure> {
        let socket = socket(address)?;
        let silent = |source| EngineFailure::Silent { socket: socket.clone(), source };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(|source| silent(source.into()))?;
        let path = socket.to_string_lossy();
        let docker = runtime
            .block_on(async {
                Docker::connect_with_unix(&path, ANSWER_SECONDS, bollard::API_DEFAULT_VERSION)?
                    .negotiate_version()
                    .await
            })
            .map_err(silent)?;
        Ok(Self { docker, socket, runtime })
    }

    /// Returns the engine's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Has the engine take a root file system over, if it does not have it.
    ///
    /// - Returns: the image's name, which says what is in it.
    pub(crate) fn image(&self, root: &Root, progress: &dyn Progress) -> Result<String, EngineFailure> {
        let tag = root.key();
        let name = format!("{IMAGES}:{tag}");
        let asked = |source| EngineFailure::Refused { what: format!("tell whether it has {name}"), source };
        match self.runtime.block_on(self.docker.inspect_image(&name)) {
            Ok(_) => return Ok(name),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(source) => return Err(asked(source)),
        }
        progress.step(&Step::Root("giving the container engine the root file system, once".to_owned()));
        let began = Instant::now();
        let bytes = self.runtime.block_on(self.import(root.folder(), &tag, progress))?;
        progress.step(&Step::Root(format!(
            "the engine has it as {name}: {} MB in {:.1} s",
            bytes / 1_000_000,
            began.elapsed().as_secs_f64()
        )));
        Ok(name)
    }

    async fn import(&self, root: &Path, tag: &str, progress: &dyn Progress) -> Result<u64, EngineFailure> {
        let failed = |source| EngineFailure::Pack { source };
        let mut tar = tokio::process::Command::new("tar")
            .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "--sort=name", "--one-file-system", "-C"])
            .arg(root)
            .args(["-c", "."])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let out = tar.stdout.take().ok_or_else(|| failed(std::io::Error::other("tar gives no pipe")))?;
        let read = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&read);
        let pieces = futures_util::stream::unfold((out, counted), |(mut out, counted)| async {
            let mut piece = vec![0; 1 << 18];
            let read = out.read(&mut piece).await;
            match read {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    counted.fetch_add(length as u64, Ordering::Relaxed);
                    Some((Ok(piece.into()), (out, counted)))
                }
                Err(error) => Some((Err(error), (out, counted))),
            }
        });
        // The tag as a part of the name, which Podman reads as well.
        let name = format!("{IMAGES}:{tag}");
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(&name).build();
        let mut told = Box::pin(self.docker.create_image(Some(options), Some(bollard::body_try_stream(pieces)), None));
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TELL, TELL);
        loop {
            tokio::select! {
                answer = told.next() => match answer {
                    Some(Ok(_)) => {}
                    Some(Err(source)) => {
                        return Err(EngineFailure::Refused { what: "take the root file system".to_owned(), source });
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    let bytes = read.load(Ordering::Relaxed);
                    progress.step(&Step::Root(format!("the engine has {} MB of it", bytes / 1_000_000)));
                }
            }
        }
        drop(told);
        let status = tar.wait().await.map_err(failed)?;
        if status.success() {
            Ok(read.load(Ordering::Relaxed))
        } else {
            // What it took is not whole.
            let _ = self.docker.remove_image(&name, None::<bollard::query_parameters::RemoveImageOptions>, None).await;
            Err(failed(std::io::Error::other(format!("tar ended with {status}"))))
        }
    }

    /// Makes an environment's network, which leads nowhere; what an earlier one of that name left is removed before.
    pub(crate) fn network(&self, environment: &str) -> Result<(), EngineFailure> {
        self.sweep(environment)?;
        let request = NetworkCreateRequest {
            name: environment.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            labels: Some(labels(environment)),
            ..NetworkCreateRequest::default()
        };
        let made = self.runtime.block_on(self.docker.create_network(request));
        made.map(drop)
            .map_err(|source| EngineFailure::Refused { what: format!("make the network {environment}"), source })
    }

    /// Starts containers, all at once.
    ///
    /// - Returns: the address of each on the environment's network, in the order they were given.
    pub(crate) fn start(&self, environment: &str, all: Vec<Wanted>) -> Result<Vec<IpAddr>, EngineFailure> {
        let mut addresses = vec![None; all.len()];
        self.runtime.block_on(async {
            let mut starting = JoinSet::new();
            for (place, wanted) in all.into_iter().enumerate() {
                let (docker, network) = (self.docker.clone(), environment.to_owned());
                starting.spawn(async move { (place, start(&docker, &network, wanted).await) });
            }
            while let Some(started) = starting.join_next().await {
                let Ok((place, started)) = started else { continue };
                if let Some(address) = addresses.get_mut(place) {
                    *address = Some(started?);
                }
            }
            Ok::<(), EngineFailure>(())
        })?;
        Ok(addresses.into_iter().flatten().collect())
    }

    /// Starts a container whose first process was killed once more, when the engine has cleared it away.
    ///
    /// - Returns: its address.
    pub(crate) fn once_more(&self, environment: &str, wanted: Wanted) -> Result<IpAddr, EngineFailure> {
        let name = wanted.name.clone();
        let failed = |source| EngineFailure::Refused { what: format!("clear the container {name} away"), source };
        self.runtime.block_on(async {
            let deadline = Instant::now() + GONE;
            loop {
                let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                match self.docker.remove_container(&name, Some(options)).await {
                    Err(Error::DockerResponseServerError { status_code: 404, .. }) => break,
                    Err(source) if Instant::now() > deadline => return Err(failed(source)),
                    // It is being removed, or just was.
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
            start(&self.docker, environment, wanted).await
        })
    }

    /// Removes whatever of an environment is there.
    pub(crate) fn sweep(&self, environment: &str) -> Result<(), EngineFailure> {
        let failed = |source| EngineFailure::Refused { what: format!("remove what is left of {environment}"), source };
        self.runtime.block_on(async {
            let filters = HashMap::from([("label", vec![format!("{LABEL}={environment}")])]);
            let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
            let deadline = Instant::now() + GONE;
            loop {
                let found = self.docker.list_containers(Some(options.clone())).await.map_err(failed)?;
                let all: Vec<String> = found.into_iter().filter_map(|container| container.id).collect();
                if all.is_empty() || Instant::now() > deadline {
                    break;
                }
                let mut removing = JoinSet::new();
                for container in all {
                    let docker = self.docker.clone();
                    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                    // One that goes by itself is what is wanted.
                    removing.spawn(async move { docker.remove_container(&container, Some(options)).await });
                }
                let _ = removing.join_all().await;
                tokio::time::sleep(LOOK).await;
            }
            loop {
                match self.docker.remove_network(environment).await {
                    Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(()),
                    Err(source) if Instant::now() > deadline => return Err(failed(source)),
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            }
        })
    }
}

/// Returns what an environment's things are marked with.
pub(super) fn labels(environment: &str) -> HashMap<String, String> {
    HashMap::from([(LABEL.to_owned(), environment.to_owned())])
}

async fn start(docker: &Docker, network: &str, wanted: Wanted) -> Result<IpAddr, EngineFailure> {
    let Wanted { name, body } = wanted;
    let refused = |what: &str| {
        let what = format!("{what} the container {name}");
        move |source| EngineFailure::Refused { what, source }
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(options), body).await.map_err(refused("make"))?;
    docker.start_container(&name, None::<StartContainerOptions>).await.map_err(refused("start"))?;
    let about = docker.inspect_container(&name, None).await.map_err(refused("tell of"))?;
    let networks = about.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = networks.get(network).and_then(|settings| settings.ip_address.as_deref());
    address.and_then(|address| address.parse().ok()).ok_or_else(|| EngineFailure::Elsewhere {
        node: name.clone(),
        reason: "the engine gave it no address, or it has ended at once".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_machine_are_spoken_to() {
        assert_eq!(socket(Some("unix:///run/x.sock")).unwrap(), Path::new("/run/x.sock"));
        assert!(SOCKETS.iter().any(|known| socket(None).unwrap() == Path::new(known)));
        for other in ["tcp://127.0.0.1:2375", "ssh://desk", "unix://relative", "/run/docker.sock"] {
            let failure = socket(Some(other)).unwrap_err();
            assert!(failure.to_string().contains(other) && failure.help().contains("unix:///"), "{failure}");
        }
    }

    #[test]
    fn an_engine_that_is_not_there_is_named_by_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let address = format!("unix://{}", socket.display());
        // Neither a socket that is missing nor one that nobody listens on any more.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("left.sock")).unwrap());
        for address in [address.clone(), address.replace("engine.sock", "left.sock")] {
            let Err(failure) = Engine::connect(Some(&address)) else { panic!("nobody is there") };
            assert!(failure.to_string().contains(address.trim_start_matches("unix://")), "{failure}");
            assert!(failure.help().contains("DOCKER_HOST"), "{failure}");
        }
    }
}
