package z

import (
	"fmt"
	"io"
)

var (
	_ io.Writer       = (*Buffer)(nil)
	_ io.StringWriter = (*Buffer)(nil)
	_ io.ByteWriter   = (*Buffer)(nil)
	_ io.ReaderFrom   = (*Buffer)(nil)
	_ io.WriterTo     = (*Buffer)(nil)
)

// Write appends p. It appends all of it or, where it returns an error (see TryGrow), nothing.
func (b *Buffer) Write(p []byte) (int, error) {
	k := b.control()
	if k == nil || uintptr(len(p)) >= k.Cap-k.Len {
		if err := b.grow("Write", len(p), 0); err != nil {
			return 0, err
		}
		k = b.ctl
	}
	off := k.Len
	k.Len = off + uintptr(len(p))
	copy(bytesAt(at(k.Data, off), len(p)), p)
	return len(p), nil
}

// WriteString is Write of the bytes of s.
func (b *Buffer) WriteString(s string) (int, error) {
	k := b.control()
	if k == nil || uintptr(len(s)) >= k.Cap-k.Len {
		if err := b.grow("WriteString", len(s), 0); err != nil {
			return 0, err
		}
		k = b.ctl
	}
	off := k.Len
	k.Len = off + uintptr(len(s))
	copy(bytesAt(at(k.Data, off), len(s)), s)
	return len(s), nil
}

// WriteByte appends one byte, with the error of Write.
func (b *Buffer) WriteByte(v byte) error {
	k := b.control()
	if k == nil || k.Cap == k.Len {
		if err := b.grow("WriteByte", 1, 0); err != nil {
			return err
		}
		k = b.ctl
	}
	bytesAt(at(k.Data, k.Len), 1)[0] = v
	k.Len++
	return nil
}

// ReadFrom appends what r reads until io.EOF, for which it needs room for a byte more. It returns the
// number of bytes, and the error of r or that of Write; what was read before stays in the Buffer.
func (b *Buffer) ReadFrom(r io.Reader) (int64, error) {
	b.use("ReadFrom")
	if r == nil {
		panic("z: Buffer.ReadFrom: nil Reader")
	}
	var total int64
	for {
		if k := b.ctl; k.Cap == k.Len {
			if err := b.grow("ReadFrom", 1, 0); err != nil {
				return total, err
			}
		}
		k := b.ctl
		room := bytesAt(at(k.Data, k.Len), int(k.Cap-k.Len))
		n, err := r.Read(room)
		if n < 0 || n > len(room) {
			panic(fmt.Sprintf("z: Buffer.ReadFrom: %T.Read returned %d of %d bytes",
				r, n, len(room)))
		}
		k.Len += uintptr(n)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// WriteTo writes Bytes to w and keeps them. It returns w's count and error.
func (b *Buffer) WriteTo(w io.Writer) (int64, error) {
	b.use("WriteTo")
	if w == nil {
		panic("z: Buffer.WriteTo: nil Writer")
	}
	bytes := b.Bytes()
	n, err := w.Write(bytes)
	if err == nil && n < len(bytes) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}
