# Becomes process 1 of a node: gives it a root of its own, then rests and reaps.
# Runs as the first process of new mount, PID, UTS and IPC namespaces, in the node's network namespace.
# $1: the lab's folder (lab/disk.py makes it), $2: the node's name, $3: its kind. Descriptor 3 takes the process id.
set -e
lab=$1 name=$2 kind=$3

# /proc is still the machine's own here, so this is the id by which the machine knows us.
read -r pid _ </proc/self/stat
own=$lab/nodes/$name
mount -t overlay -o "lowerdir=$lab/bases/$kind:/,upperdir=$own/upper,workdir=$own/work,index=off" netdr-lab "$lab/root"
mount -a -T "$lab/fstab"
cd "$lab/root"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev/
mkdir dev/pts dev/shm run/lock run/before
chmod 1777 dev/shm run/lock
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
hostname "$name"
pivot_root . run/before
cd /
umount -l /run/before
rmdir /run/before
# Written last: who finds the file finds a node that can be entered. The machine's path is gone.
echo "$pid" >&3
exec catatonit -P </dev/null >/dev/null 2>&1 3>&-
