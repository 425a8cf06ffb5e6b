//! Which certificates a server presents: a TLS handshake that trusts everything and sends
//! nothing after.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Cluster, Trouble, chain};

/// Shakes hands over `stream` and returns the chain that the server presented for `name`, leaf
/// first. Whether the chain is any good is for the analyzer to say.
///
/// # Errors
/// [`Trouble`] when the handshake ended before the server presented anything.
pub async fn presented_chain<S>(
    cluster: &Cluster,
    stream: S,
    name: &str,
) -> Result<Vec<CertificateDer<'static>>, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |e: &(dyn std::error::Error + 'static)| {
        Trouble::failed(format!("no TLS handshake: {}", chain(e)))
    };
    let recorder = Arc::new(Recorder {
        provider: Arc::new(ring::default_provider()),
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(Arc::clone(&recorder.provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Recorder>::clone(&recorder))
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).map_err(|e| failed(&e))?;
    let connector = TlsConnector::from(Arc::new(config));
    let limit = cluster.limits.item_timeout;
    let shaking = connector.connect(server, stream);
    let shaking = cluster.patiently(limit, "no TLS handshake", shaking);
    let outcome = shaking.await.map(|done| done.map(drop));
    // A server that then asks for our certificate ends the handshake, but has shown its own.
    let seen = std::mem::take(&mut *recorder.seen.lock().unwrap_or_else(PoisonError::into_inner));
    match outcome {
        _ if !seen.is_empty() => Ok(seen),
        Err(trouble) => Err(trouble),
        Ok(Err(e)) => Err(failed(&e)),
        Ok(Ok(())) => Err(Trouble::failed("the server presented no certificate")),
    }
}

/// Accepts everything and remembers it.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let chain = chain.map(|c| c.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
