# The image that `linkerd-collect job` runs: one static program and nothing else.
#
#   rustup target add x86_64-unknown-linux-musl
#   cargo build --profile dist -p linkerd-collect --target x86_64-unknown-linux-musl
#   docker build -t linkerd-bundle/linkerd-collect:VERSION .
FROM scratch
COPY target/x86_64-unknown-linux-musl/dist/linkerd-collect /linkerd-collect
USER 65532:65532
ENTRYPOINT ["/linkerd-collect"]
