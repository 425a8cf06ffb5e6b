//! What no fact reads of an object: most of a pod's text is volumes, mounts and environment, and
//! none of that is worth its room. Environments of applications may hold secrets besides.

/// Which parts below a place are passed over, by key. Keys that are not named are read, and all
/// below them; lists are looked through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread(&'static [(&'static str, Part)]);

/// What becomes of one part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// Nothing of it is read.
    Whole,
    /// Parts of it are not read.
    In(Unread),
    /// An environment, of which only what proxies are configured by is read.
    Environment,
}

use Part::{Environment, In, Whole};

impl Unread {
    /// Everything is read.
    pub(super) const NOTHING: Self = Self(&[]);

    /// What becomes of the part below a key.
    pub(super) fn part(self, key: &str) -> Part {
        let found = self.0.iter().find(|(name, _)| *name == key);
        found.map_or(In(Self::NOTHING), |(_, part)| *part)
    }

    /// What is passed over in objects of a kind.
    pub(super) fn of_kind(kind: &str) -> Self {
        match kind {
            "Pod" => Self(&[
                ("metadata", In(METADATA)),
                ("spec", In(POD_SPEC)),
                ("status", In(POD_STATUS)),
            ]),
            "CustomResourceDefinition" => Self(&[
                ("metadata", In(METADATA)),
                ("spec", In(Self(&[("versions", In(CRD_VERSION))]))),
            ]),
            "Event" => EVENT,
            "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Self(&[
                ("metadata", In(METADATA)),
                ("spec", In(Self(&[("template", In(TEMPLATE))]))),
            ]),
            _ => Self(&[("metadata", In(METADATA))]),
        }
    }
}

const METADATA: Unread = Unread(&[
    ("managedFields", Whole),
    ("selfLink", Whole),
    ("generateName", Whole),
    ("generation", Whole),
    ("uid", Whole),
    ("ownerReferences", In(OWNER)),
    (
        "annotations",
        In(Unread(&[(
            "kubectl.kubernetes.io/last-applied-configuration",
            Whole,
        )])),
    ),
]);

const OWNER: Unread = Unread(&[
    ("apiVersion", Whole),
    ("blockOwnerDeletion", Whole),
    ("uid", Whole),
]);

const TEMPLATE: Unread = Unread(&[("spec", In(POD_SPEC))]);

const POD_SPEC: Unread = Unread(&[
    ("volumes", Whole),
    ("tolerations", Whole),
    ("schedulerName", Whole),
    ("dnsPolicy", Whole),
    ("imagePullSecrets", Whole),
    ("enableServiceLinks", Whole),
    ("preemptionPolicy", Whole),
    ("priority", Whole),
    ("serviceAccount", Whole),
    ("terminationGracePeriodSeconds", Whole),
    ("initContainers", In(CONTAINER)),
    ("containers", In(CONTAINER)),
]);

const CONTAINER: Unread = Unread(&[
    ("volumeMounts", Whole),
    ("imagePullPolicy", Whole),
    ("terminationMessagePath", Whole),
    ("terminationMessagePolicy", Whole),
    ("env", Environment),
    ("envFrom", Whole),
    ("livenessProbe", In(PROBE)),
    ("readinessProbe", In(PROBE)),
    ("startupProbe", In(PROBE)),
    ("securityContext", In(Unread(&[("seccompProfile", Whole)]))),
]);

const PROBE: Unread = Unread(&[
    ("failureThreshold", Whole),
    ("initialDelaySeconds", Whole),
    ("periodSeconds", Whole),
    ("successThreshold", Whole),
    ("terminationGracePeriodSeconds", Whole),
    ("timeoutSeconds", Whole),
]);

const POD_STATUS: Unread = Unread(&[
    ("hostIP", Whole),
    ("hostIPs", Whole),
    ("observedGeneration", Whole),
    ("qosClass", Whole),
    ("resize", Whole),
    ("initContainerStatuses", In(CONTAINER_STATUS)),
    ("containerStatuses", In(CONTAINER_STATUS)),
    ("conditions", In(CONDITION)),
]);

const CONDITION: Unread = Unread(&[
    ("lastProbeTime", Whole),
    ("lastTransitionTime", Whole),
    ("observedGeneration", Whole),
]);

const CONTAINER_STATUS: Unread = Unread(&[
    ("image", Whole),
    ("containerID", Whole),
    ("imageID", Whole),
    ("volumeMounts", Whole),
    ("allocatedResources", Whole),
    ("resources", Whole),
    ("user", Whole),
]);

const EVENT: Unread = Unread(&[
    ("reportingInstance", Whole),
    ("action", Whole),
    ("related", Whole),
    (
        "metadata",
        In(Unread(&[
            ("uid", Whole),
            ("managedFields", Whole),
            ("generateName", Whole),
            ("selfLink", Whole),
        ])),
    ),
    ("involvedObject", In(ABOUT)),
    ("regarding", In(ABOUT)),
]);

const ABOUT: Unread = Unread(&[
    ("uid", Whole),
    ("apiVersion", Whole),
    ("resourceVersion", Whole),
]);

/// Of a definition, the schemas are by far the largest part.
const CRD_VERSION: Unread = Unread(&[
    ("schema", Whole),
    ("additionalPrinterColumns", Whole),
    ("subresources", Whole),
]);
