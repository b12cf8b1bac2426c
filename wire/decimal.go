package wire

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unsafe"
)

// tenTo are the powers of ten that a uint64 can hold.
var tenTo = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// floatTenTo are powers of ten, all of them exact.
var floatTenTo = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// countDigits returns how many decimal digits a number has.
func countDigits(n uint64) int {
	n |= 1                            // zero has one, too
	log := bits.Len64(n) * 1233 >> 12 // its logarithm to base ten, or one more
	if n >= tenTo[log] {
		log++
	}
	return log
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendUint(append(dst, '-'), -uint64(n))
	}
	return appendUint(dst, uint64(n))
}

func appendUint(dst []byte, n uint64) []byte {
	end := len(dst)
	dst = slices.Grow(dst, decimalRoom)
	return dst[:end+storeUint(at(dst, end), 0, n)]
}

// decimalRoom is what the longest number takes, and a word that may be written behind it.
const decimalRoom = 20 + 8

// storeUint writes a number at to[i] and returns how many digits it has.
func storeUint(to unsafe.Pointer, i int, n uint64) int {
	if n < 1e8 {
		return storeShort(to, i, n)
	}
	var size int
	if n >= 1e16 {
		size = storeShort(to, i, n/1e16)
		storeWord(to, i+size, eightDigits(n/1e8%1e8)|'0'*everyByte)
		size += 8
	} else {
		size = storeShort(to, i, n/1e8)
	}
	storeWord(to, i+size, eightDigits(n%1e8)|'0'*everyByte)
	return size + 8
}

// storeShort does the same for a number below 1e8.
func storeShort(to unsafe.Pointer, i int, n uint64) int {
	if n < 10 {
		storeByte(to, i, '0'+byte(n))
		return 1
	}
	digits := eightDigits(n)
	zeros := bits.TrailingZeros64(digits) / 8
	storeWord(to, i, (digits|'0'*everyByte)>>(8*zeros&63))
	return 8 - zeros
}

// appendDigits writes n with leading zeros, in a width from 1 to 16 that it fits in.
func appendDigits(dst []byte, n uint64, width int) []byte {
	end := len(dst)
	dst = slices.Grow(dst, decimalRoom)
	storeWide(at(dst, end), 0, n, width)
	return dst[:end+width]
}

// storeWide writes the same at to[i].
func storeWide(to unsafe.Pointer, i int, n uint64, width int) {
	if width > 8 {
		storeWide(to, i, n/1e8, width-8)
		storeWord(to, i+width-8, eightDigits(n%1e8)|'0'*everyByte)
		return
	}
	storeWord(to, i, (eightDigits(n)|'0'*everyByte)>>((64-8*width)&63))
}

// eightDigits returns the digits of a number below 1e8, from 0 to 9, the first one in
// the lowest byte. It halves all parts at once: into twice four digits, four times two, eight.
// The multiplications and shifts divide by 100 and by 10, exactly for parts that small.
func eightDigits(n uint64) uint64 {
	fours := n/1e4 | n%1e4<<32
	hundreds := fours * 10_486 >> 20 & 0x7f_0000_007f
	twos := hundreds | (fours-100*hundreds)<<16
	tens := twos * 103 >> 10 & 0xf_000f_000f_000f
	return tens | (twos-10*tens)<<8
}

// appendPair writes a number below 100 with two digits.
func appendPair(dst []byte, n uint64) []byte {
	return append(dst, '0'+byte(n/10), '0'+byte(n%10))
}

// appendFloat writes a number as ProtoJSON and encoding/json do: the shortest
// digits that read back the same, with an exponent where it is very small or large.
func appendFloat(dst []byte, f float64, size int) []byte {
	if whole, fraction, places := shortFloat(f, size); places >= 0 {
		return appendFixed(dst, f < 0, whole, fraction, places)
	}
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	abs := math.Abs(f)
	small, large := abs < 1e-6, abs >= 1e21
	if size == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs == 0 || !small && !large {
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, size)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst
}

// shortFloat returns what is before the point in a number's absolute value and what is behind it, with
// so many places, where the digits are few enough to be sure of: of the decimals with
// 15 digits (6 in 32 bits) no two are the same float, so the one that equals the
// number is the shortest that reads back the same. The comparison is exact, since
// digits and powers of ten of that size are. Otherwise places is negative. Most numbers
// in JSON are such, and take strconv three times as long.
func shortFloat(f float64, size int) (whole, fraction uint64, places int) {
	abs := math.Abs(f)
	most, digits := 1e12, 15
	if size == 32 {
		most, digits = 1e5, 6
	}
	if !(abs >= 1e-3 && abs < most) {
		return 0, 0, -1
	}
	before := int64(abs) // signed numbers are faster to convert
	if float64(before) == abs {
		return uint64(before), 0, 0
	}
	places = digits - countDigits(uint64(before))
	unit := floatTenTo[places]
	scaled := int64(abs*unit + 0.5)
	same := float64(scaled)/unit == abs
	if size == 32 {
		same = float32(scaled)/float32(unit) == float32(abs)
	}
	if !same {
		return 0, 0, -1
	}
	fraction, places = trimZeros(uint64(scaled)-uint64(before)*tenTo[places], places)
	return uint64(before), fraction, places
}

// trimZeros drops zeros at the end of a number that is not 0.
func trimZeros(digits uint64, places int) (uint64, int) {
	if digits%1e8 == 0 {
		digits, places = digits/1e8, places-8
	}
	if digits%1e4 == 0 {
		digits, places = digits/1e4, places-4
	}
	if digits%1e2 == 0 {
		digits, places = digits/1e2, places-2
	}
	if digits%10 == 0 {
		digits, places = digits/10, places-1
	}
	return digits, places
}

// appendFixed writes a decimal with so many places behind the point, none if that is 0 and at most 16.
func appendFixed(dst []byte, negative bool, whole, fraction uint64, places int) []byte {
	size := len(dst)
	dst = slices.Grow(dst, 2+2*decimalRoom)
	to := at(dst, 0)
	if negative {
		storeByte(to, size, '-')
		size++
	}
	size += storeUint(to, size, whole)
	if places == 0 {
		return dst[:size]
	}
	storeByte(to, size, '.')
	storeWide(to, size+1, fraction, places)
	return dst[:size+1+places]
}
