//go:build unix

package z

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/zmem-go/zmem/c"
)

// MmapFile is a file that is mapped into memory as a whole: Data is what is in it, and what is
// written to Data is written to the file. The caller ends it with Close or Delete.
//
// Data, and every slice that the methods return, is valid until the next Truncate, AllocateSlice
// that has to grow the file, Close or Delete: these may move the mapping or end it. They need
// exclusive use; the other methods may be called by many goroutines at once. Data is no Go memory,
// is not counted by NumAllocBytes, and may be written only where the file was opened for it.
//
// A file that is made longer is sparse, as files that are mapped are: it takes room on the disk as
// its pages are written. Writing to Data when the disk is full then is a fault (SIGBUS), which ends
// the program. Reserve, or the option ReserveBlocks, makes a full disk an error of a call instead.
// What is left to make touching Data a fault: somebody else cutting the file, a disk that cannot be
// read, and a full disk where the file system reserves nothing (ZFS, some network file systems) or,
// on tmpfs, where a hole is read. (A Buffer in a file always reserves: it meets the last three only.)
//
// Errors name the call and the file, and errors.Is finds the system's reason in them:
// fs.ErrNotExist, syscall.ENOSPC and so on. A call that fails leaves the MmapFile as it was.
//
// An MmapFile may also be made of Data alone, without a file: &MmapFile{Data: d}. Sync, Close and
// Delete then do nothing, as they do for nil, and it cannot grow.
type MmapFile struct {
	Data []byte
	Fd   *os.File // stays, closed, after Close and Delete

	readOnly bool // how Data is mapped
	reserve  bool // ReserveBlocks
	closed   bool

	reserving sync.Mutex // held by Reserve: one that fails would take from another what that has reserved
}

// MmapOption is an option of OpenMmapFile, OpenMmapFileUsing and Mmap.
type MmapOption int

// ReserveBlocks has the disk's blocks reserved, where the file system can, for all of a file that is
// mapped for writing, holes included, and whenever it grows.
const ReserveBlocks MmapOption = 1

// mmapFlags is how to map a file, for C.
func mmapFlags(writable, reserve bool) int {
	flags := 0
	if writable {
		flags |= c.MmapWrite
	}
	if reserve {
		flags |= c.MmapReserve
	}
	return flags
}

// NewFile is what OpenMmapFile and OpenMmapFileUsing return, beside the MmapFile, where the file
// was empty and has got its size from them: it is success, and the caller is to write what a new
// file begins with. It is returned as it is, to be compared with ==.
//
//lint:ignore ST1012 programs know it by this name
var NewFile = errors.New("z: the file is new")

// The bytes that precede each slice in the file: its length, big-endian.
const sliceHeader = 4

// The most that AllocateSlice makes a file longer at once, unless one slice needs more.
const maxGrowth = 1 << 30

// OpenMmapFile opens a file and maps it. flag is os.O_RDONLY or os.O_RDWR, with os.O_CREATE and
// others as os.OpenFile takes them; a new file gets mode 0666 before umask.
//
// A file that is empty, for example as it was just created, is made maxSz bytes long, all zero, and
// the error is NewFile. One that is not is mapped as long as it is, whatever maxSz. An empty file
// and a maxSz of 0 or less give an MmapFile without Data, which may grow.
//
// Options: ReserveBlocks.
//
// A file that was created stays, empty, where mapping it fails. So that a new file's name survives
// a crash of the machine as well, call SyncDir.
func OpenMmapFile(filename string, flag int, maxSz int, options ...MmapOption) (*MmapFile, error) {
	fd, err := os.OpenFile(filename, flag, 0o666)
	if err != nil {
		return nil, callError("OpenMmapFile", err)
	}
	writable := flag&(os.O_WRONLY|os.O_RDWR) != 0
	m, err := openMmapFile("OpenMmapFile", fd, maxSz, writable, options)
	if m == nil {
		fd.Close()
	}
	return m, err
}

// OpenMmapFileUsing is OpenMmapFile with a file that is open already, for writing as well where
// writable. It is the MmapFile's from then on, which closes it; where there is an error other than
// NewFile, it stays the caller's.
func OpenMmapFileUsing(fd *os.File, sz int, writable bool, options ...MmapOption) (*MmapFile, error) {
	return openMmapFile("OpenMmapFileUsing", fd, sz, writable, options)
}

func openMmapFile(call string, fd *os.File, sz int, writable bool, options []MmapOption) (*MmapFile, error) {
	info, err := fd.Stat()
	if err != nil {
		return nil, callError(call, err)
	}
	m := &MmapFile{Fd: fd, readOnly: !writable, reserve: slices.Contains(options, ReserveBlocks)}
	if info.Size() == 0 && sz > 0 {
		if err := m.resize(call, int64(sz)); err != nil {
			return nil, err
		}
		return m, NewFile
	}
	if m.Data, err = mmap(call, fd, mmapFlags(writable, m.reserve), info.Size()); err != nil {
		return nil, err
	}
	return m, nil
}

// Truncate makes the file, and with it Data, maxSz bytes long, which may be more or less than it
// was. What is new is zero. Data may move; it is nil where maxSz is 0. Truncate panics where maxSz is
// negative. It writes nothing back to the disk; Sync does.
func (m *MmapFile) Truncate(maxSz int64) error { return m.resize("MmapFile.Truncate", maxSz) }

func (m *MmapFile) resize(call string, size int64) error {
	if err := m.usable(call, "truncate"); err != nil {
		return err
	}
	n, err := mapSize(call, m.Fd, "truncate", size)
	if err != nil {
		return err
	}
	var cause c.Cause
	p, e := c.MmapResize(m.Fd.Fd(), mmapFlags(!m.readOnly, m.reserve), startOf(m.Data), uintptr(len(m.Data)), n, &cause)
	if e != c.OK {
		return fileError(call, m.Fd.Name(), e, &cause)
	}
	m.Data = bytesAt(p, int(n))
	return nil
}

// Reserve reserves the disk's blocks for the bytes [from, to) of the file, which have to be within
// Data, where the file system can: writing to them cannot meet a full disk after that. A full disk is
// an error that is syscall.ENOSPC, and nothing is reserved then. What is in the file stays as it is;
// but nobody else may write to holes of it there meanwhile, nor map the file anew and reserve. Reserve panics where from is negative,
// or to is below it, and returns an error that is fs.ErrPermission where the file was not opened for writing.
func (m *MmapFile) Reserve(from, to int64) error {
	const call = "MmapFile.Reserve"
	if from < 0 || to < from {
		panic(fmt.Sprintf("z: %s: no range: %d to %d", call, from, to))
	}
	if err := m.usable(call, "fallocate"); err != nil {
		return err
	}
	if m.readOnly {
		return pathError(call, "fallocate", m.Fd.Name(), fs.ErrPermission)
	}
	if to > int64(len(m.Data)) {
		return pathError(call, "fallocate", m.Fd.Name(),
			fmt.Errorf("%d is beyond the %d bytes of Data: %w", to, len(m.Data), fs.ErrInvalid))
	}
	m.reserving.Lock()
	defer m.reserving.Unlock()
	var cause c.Cause
	err := c.MmapReserveBlocks(m.Fd.Fd(), uintptr(from), uintptr(to), &cause)
	runtime.KeepAlive(m.Fd)
	return fileError(call, m.Fd.Name(), err, &cause)
}

// usable says why there is no file for an operation, if so.
func (m *MmapFile) usable(call, op string) error {
	switch {
	case m == nil || m.Fd == nil:
		return fmt.Errorf("z: %s: no file: %w", call, fs.ErrInvalid)
	case m.closed:
		return pathError(call, op, m.Fd.Name(), fs.ErrClosed)
	default:
		return nil
	}
}

// data is Data, also of nil.
func (m *MmapFile) data() []byte {
	if m == nil {
		return nil
	}
	return m.Data
}

// Bytes returns the sz bytes of Data that begin at off, with capacity sz. Where these are not all
// in Data it returns nil and io.EOF, for negative numbers too.
func (m *MmapFile) Bytes(off, sz int) ([]byte, error) {
	data := m.data()
	if off < 0 || sz < 0 || off > len(data) || sz > len(data)-off {
		return nil, io.EOF
	}
	return data[off : off+sz : off+sz], nil
}

// Slice returns the slice that AllocateSlice made at offset, with capacity its length. Where no
// whole slice is there it returns an empty one, as it does for one of 0 bytes.
func (m *MmapFile) Slice(offset int) []byte {
	data := m.data()
	start := uint(offset) + sliceHeader
	if start >= sliceHeader && start <= uint(len(data)) {
		if sz := uint(binary.BigEndian.Uint32(data[offset:])); sz <= uint(len(data))-start {
			return data[start : start+sz : start+sz]
		}
	}
	return []byte{}
}

// AllocateSlice makes a slice of sz bytes at offset: it writes sz there, as 4 bytes, big-endian,
// and returns the bytes that follow, with capacity sz, and the offset behind them, which is where
// the next slice may be. The bytes are what was in the file, zero where it is new.
//
// A file that is too short is made twice as long, by at most 1 GiB a time, or as long as it takes,
// which may move Data. Where there is no room for that it grows by less. AllocateSlice panics where sz or offset is negative or sz is above 2^32-1, and
// returns an error that is fs.ErrPermission where the file was not opened for writing.
func (m *MmapFile) AllocateSlice(sz, offset int) ([]byte, int, error) {
	data := m.data()
	room := len(data) - sliceHeader // behind the header of a slice at offset 0
	if sz < 0 || offset < 0 || offset > room || sz > room-offset || uint64(sz) > math.MaxUint32 ||
		m.readOnly {
		if err := m.makeRoom(sz, offset); err != nil {
			return nil, 0, err
		}
		data = m.Data
	}
	start := offset + sliceHeader
	binary.BigEndian.PutUint32(data[offset:], uint32(sz))
	return data[start : start+sz : start+sz], start + sz, nil
}

// makeRoom makes the file long enough for a slice of sz bytes at offset.
func (m *MmapFile) makeRoom(sz, offset int) error {
	const call = "MmapFile.AllocateSlice"
	if sz < 0 || uint64(sz) > math.MaxUint32 {
		panic(fmt.Sprintf("z: %s: size %d is not 0 to %d", call, sz, uint32(math.MaxUint32)))
	}
	if offset < 0 {
		panic(fmt.Sprintf("z: %s: negative offset %d", call, offset))
	}
	if m != nil && m.readOnly {
		return pathError(call, "write", m.Fd.Name(), fs.ErrPermission)
	}
	size, end := int64(len(m.data())), int64(math.MaxInt64)
	if int64(offset) <= end-sliceHeader-int64(sz) {
		end = int64(offset) + sliceHeader + int64(sz)
	}
	for step := min(size, maxGrowth); ; step /= 2 {
		to := max(end, size+step)
		if err := m.resize(call, to); err == nil || to == end || !lacksRoom(err) {
			return err
		}
	}
}

// lacksRoom reports whether less might have succeeded.
func lacksRoom(err error) bool {
	for _, reason := range []error{ErrOutOfMemory, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// NewReader returns a reader of what is in Data from offset on. It follows the MmapFile: it reads
// what Data is at each call of Read, and is at its end after Close. It is for one goroutine at a
// time. NewReader panics where offset is negative.
func (m *MmapFile) NewReader(offset int) io.Reader {
	if offset < 0 {
		panic(fmt.Sprintf("z: MmapFile.NewReader: negative offset %d", offset))
	}
	return &mmapReader{m, offset}
}

type mmapReader struct {
	file   *MmapFile
	offset int
}

func (r *mmapReader) Read(p []byte) (int, error) {
	data := r.file.data()
	if len(p) > 0 && r.offset >= len(data) {
		return 0, io.EOF
	}
	n := copy(p, data[min(r.offset, len(data)):])
	r.offset += n
	return n, nil
}

// Sync waits until Data is on the disk.
func (m *MmapFile) Sync() error {
	const call = "MmapFile.Sync"
	if m == nil || m.Fd == nil {
		return nil
	}
	if err := m.usable(call, "msync"); err != nil {
		return err
	}
	var cause c.Cause
	err := c.MmapSync(startOf(m.Data), uintptr(len(m.Data)), &cause)
	return fileError(call, m.Fd.Name(), err, &cause)
}

// Close waits until Data is on the disk, ends the mapping, makes the file maxSz bytes long where
// maxSz is not negative, and closes it. Whatever the error, mapping and file are gone then. A second
// Close, or one after Delete, does nothing.
func (m *MmapFile) Close(maxSz int64) error {
	const call = "MmapFile.Close"
	if m == nil || m.Fd == nil || m.closed {
		return nil
	}
	err := m.Sync()
	err = errors.Join(err, m.unmap(call))
	if maxSz >= 0 {
		cut := m.Fd.Truncate(maxSz)
		if cut == nil {
			cut = m.Fd.Sync()
		}
		err = errors.Join(err, callError(call, cut))
	}
	return errors.Join(err, callError(call, m.Fd.Close()))
}

// Delete removes the file's name, unless it has none any more, ends the mapping and closes the
// file, whose blocks on the disk are then free unless somebody else has it open. Where the name
// cannot be removed nothing has changed. After Close or Delete it returns an error that is
// fs.ErrClosed.
func (m *MmapFile) Delete() error {
	const call = "MmapFile.Delete"
	if m == nil || m.Fd == nil {
		return nil
	}
	if err := m.usable(call, "remove"); err != nil {
		return err
	}
	if err := os.Remove(m.Fd.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return callError(call, err)
	}
	return errors.Join(m.unmap(call), callError(call, m.Fd.Close()))
}

// unmap ends the mapping, and with it all use of m.
func (m *MmapFile) unmap(call string) error {
	data := m.Data
	m.Data, m.closed = nil, true
	var cause c.Cause
	err := c.MmapFree(startOf(data), uintptr(len(data)), &cause)
	return fileError(call, m.Fd.Name(), err, &cause)
}
