# What a session of Lagoon's SSH does: a token for the user "lagoon", a command for everybody else. The folder is the
# first argument, the command that was sent is the second.
folder=$1
sent=$2
namespace=$USER

base64url() { base64 | tr -d '=\n' | tr '+/' '-_'; }

if [ "$namespace" = lagoon ]; then
  if [ "$sent" != token ]; then
    echo 'invalid command: only "grant" and "token" are supported.' >&2
    exit 0
  fi
  if [ -e "$folder/no-token" ]; then
    echo 'internal error.' >&2
    exit 0
  fi
  now=$(date +%s)
  claims="{\"iat\":$now,\"exp\":$((now + $(cat "$folder/lifetime")))}"
  token="$(printf '{"alg":"none"}' | base64url).$(printf %s "$claims" | base64url).$(head -c 24 /dev/urandom | base64url)"
  echo "$token" >> "$folder/tokens"
  echo "$token"
  exit 0
fi

service=cli
container=
case $sent in service=*)
  service=${sent%% *}; service=${service#service=}
  sent=${sent#* }
  case $sent in container=*)
    container=${sent%% *}; container=${container#container=}
    sent=${sent#* }
  esac
esac
export namespace service container
exec sh -c "$sent"
