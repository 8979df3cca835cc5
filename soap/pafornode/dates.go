package pafornode

import "strings"

// checkDate follows xs:date: [-]YYYY-MM-DD with an optional time zone. Years
// may have more than four digits and there is no year zero.
func checkDate(s string) string {
	if rest, ok := readDate(s); !ok || !isZone(rest) {
		return "is not a date (YYYY-MM-DD)"
	}
	return ""
}

// checkDateTime follows xs:dateTime: a date, T, hh:mm:ss with an optional
// fraction, and an optional time zone. 24:00:00 is the end of the day.
func checkDateTime(s string) string {
	const problem = "is not a date and time (YYYY-MM-DDThh:mm:ss)"
	rest, ok := readDate(s)
	if !ok || len(rest) < len("T00:00:00") || rest[0] != 'T' || rest[3] != ':' || rest[6] != ':' {
		return problem
	}
	hour, okHour := twoDigits(rest[1:3], 0, 24)
	minute, okMinute := twoDigits(rest[4:6], 0, 59)
	second, okSecond := twoDigits(rest[7:9], 0, 59)
	if !okHour || !okMinute || !okSecond {
		return problem
	}
	rest = rest[9:]
	fraction := ""
	if strings.HasPrefix(rest, ".") {
		zone := strings.TrimLeft(rest[1:], "0123456789")
		if fraction = rest[1 : len(rest)-len(zone)]; fraction == "" {
			return problem
		}
		rest = zone
	}
	if hour == 24 && (minute > 0 || second > 0 || strings.Trim(fraction, "0") != "") || !isZone(rest) {
		return problem
	}
	return ""
}

// readDate reads a date and returns what follows it.
func readDate(s string) (rest string, ok bool) {
	s = strings.TrimPrefix(s, "-")
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	year, s := s[:n], s[n:]
	if n < 4 || n > 4 && year[0] == '0' || year == "0000" || len(s) < len("-01-01") || s[0] != '-' || s[3] != '-' {
		return "", false
	}
	month, okMonth := twoDigits(s[1:3], 1, 12)
	day, okDay := twoDigits(s[4:6], 1, 31)
	if !okMonth || !okDay || day > daysIn(month, year) {
		return "", false
	}
	return s[6:], true
}

func daysIn(month int, year string) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		last := year[len(year)-4:] // the calendar repeats every 400 years, a divisor of 10000
		y := int(last[0]-'0')*1000 + int(last[1]-'0')*100 + int(last[2]-'0')*10 + int(last[3]-'0')
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// isZone tells whether s is "", "Z" or an offset of at most 14:00.
func isZone(s string) bool {
	if s == "" || s == "Z" {
		return true
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return false
	}
	hour, okHour := twoDigits(s[1:3], 0, 14)
	minute, okMinute := twoDigits(s[4:6], 0, 59)
	return okHour && okMinute && (hour < 14 || minute == 0)
}

func twoDigits(s string, least, most int) (int, bool) {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	n := int(s[0]-'0')*10 + int(s[1]-'0')
	return n, n >= least && n <= most
}
