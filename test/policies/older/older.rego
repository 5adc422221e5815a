# For modules of before ABI 1.3: bundle.tar.gz is compiled by OPA 0.52.0, with
#   opa build -t wasm -b . -o bundle.tar.gz -r older-1 -e older/bucket -e older/allow
package older

import future.keywords.if

default allow := false

allow if data.nats.kv[input.bucket].members[input.user].role == "admin"

bucket := data.nats.kv[input.bucket]
