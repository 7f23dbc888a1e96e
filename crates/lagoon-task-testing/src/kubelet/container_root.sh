# Runs in a mount namespace of its own: makes a root that is this machine's with the container's mounts in it, and
# becomes the container's program there. Nothing of it is seen outside.
# Arguments: FOLDER WORKING-DIRECTORY (SOURCE TARGET ro|rw)... -- COMMAND [ARGUMENT...]
set -eu
root=$1
mount -t tmpfs -o mode=755 tmpfs "$root"

# Every entry of the machine's root, but for /dev.
inside=${root#/}
inside=${inside%%/*}
for entry in /* /.[!.]*; do
  name=${entry#/}
  if [ -L "$entry" ]; then
    cp -P "$entry" "$root/$name"
  elif [ "$name" = dev ]; then
    mkdir "$root/dev"
  elif [ -d "$entry" ]; then
    mkdir "$root/$name"
    # The folder that the new root lies in is taken without what is mounted below it, which is this very root.
    if [ "$name" = "$inside" ]; then mount --bind "$entry" "$root/$name"; else mount --rbind "$entry" "$root/$name"; fi
  elif [ -e "$entry" ]; then
    : > "$root/$name"
    mount --bind "$entry" "$root/$name"
  fi
done

# /dev as a container has it.
for device in null zero full random urandom tty; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%%:*}" "$root/dev/${stream#*:}"; done

exec chroot "$root" /bin/sh -c '
set -eu
shift
working_directory=$1
shift
layers=0
private=" $(stat -c %d /) "

# make folder|file PATH: makes it. The nearest folder that is there gets a layer of its own, so that nothing is written
# into the machine, unless it lies in such a one, or in the new root itself.
make() {
  nearest=$2
  while [ ! -e "$nearest" ]; do nearest=$(dirname "$nearest"); done
  [ "$nearest" = "$2" ] && return
  nearest=$(readlink -f "$nearest")
  case "$private" in
    *" $(stat -c %d "$nearest") "*) ;;
    *)
      layers=$((layers + 1))
      mkdir -p "/.layers/$layers/upper" "/.layers/$layers/work"
      chmod --reference="$nearest" "/.layers/$layers/upper"
      options="lowerdir=$nearest,upperdir=/.layers/$layers/upper,workdir=/.layers/$layers/work"
      mount -t overlay -o "$options" overlay "$nearest" 2>/dev/null ||
        mount -t overlay -o "$options,userxattr" overlay "$nearest"
      private="$private$(stat -c %d "$nearest") "
      ;;
  esac
  if [ "$1" = folder ]; then
    mkdir -p "$2"
  else
    mkdir -p "$(dirname "$2")"
    : > "$2"
  fi
}

while [ "$1" != -- ]; do
  if [ -d "$1" ]; then make folder "$2"; else make file "$2"; fi
  mount --bind -o "$3" "$1" "$2"
  shift 3
done
shift
make folder "$working_directory"
cd "$working_directory"
exec "$@"
' sh "$@"
