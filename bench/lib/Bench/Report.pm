package Bench::Report;

# Statistics of the rounds, and the tables made of them.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use POSIX qw(strftime);

use Bench::Site;

our @EXPORT_OK = qw(median range summary machine write_json write_text
    text_table markdown_table);


sub median {
    my @sorted = sort { $a <=> $b } @_;

    return if !@sorted;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle]
        : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}


# least, median, most

sub range {
    my @sorted = sort { $a <=> $b } @_;
    return ($sorted[0], median(@sorted), $sorted[-1]);
}


# of the rounds of one row: [{row => result, refs => [before, after]}, ...]

sub summary {
    my ($taken) = @_;

    my @own = map { _cpu($_->{row}) } @$taken;
    my @refs = map { (_cpu($_->{refs}[0]) + _cpu($_->{refs}[1])) / 2 }
        @$taken;
    my @ratios = map { $own[$_] / $refs[$_] } 0 .. $#own;
    my ($least, $median, $most) = range(@ratios);
    my $last = $taken->[-1]{row}{watch}{gateway};

    return {
        rounds => scalar @own, ratios => \@ratios,
        ratio => {least => $least, median => $median, most => $most},
        cpu_us => median(@own), ref_cpu_us => median(@refs),
        redis_cpu_us => _median_of($taken, qw(watch redis cpu_us)),
        load_cpu_us => _median_of($taken, 'own_cpu_us'),
        busy => median(map { _cpu($_->{row}) * $_->{row}{rate} / 1e6 }
            @$taken),
        ref_busy => median(map { _cpu($_) * $_->{rate} / 1e6 }
            map { @{$_->{refs}} } @$taken),
        rate => _median_of($taken, 'rate'),
        p50_us => _median_of($taken, qw(latency_us p50)),
        p99_us => _median_of($taken, qw(latency_us p99)),
        rss_mb => $last->{rss_kb} / 1024,
        private_mb => $last->{private_kb} / 1024,
    };
}


sub _cpu { return $_[0]{watch}{gateway}{cpu_us} }


sub _median_of {
    my ($taken, @path) = @_;

    my @values;
    for my $round (@$taken) {
        my $value = $round->{row};
        $value = $value->{$_} for @path;
        push @values, $value;
    }
    return median(@values);
}


# what the figures were taken on

sub machine {
    my $cpuinfo = Bench::Site::slurp('/proc/cpuinfo');
    my ($model) = $cpuinfo =~ /^model name\s*:\s*(.*)$/m;
    my @cores = $cpuinfo =~ /^processor\s*:/mg;
    my ($memory) = Bench::Site::slurp('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/;
    my ($nginx) = (Test::Plum::Process::run_command('nginx', '-v'))[1]
        =~ m{nginx/(\S+)};
    my ($redis) = (Test::Plum::Process::run_command('redis-server', '-v'))[1]
        =~ /v=(\S+)/;
    my ($openssl) = (Test::Plum::Process::run_command('openssl', 'version'))[1]
        =~ /^OpenSSL (\S+)/;

    return {
        date => strftime('%Y-%m-%d %H:%M UTC', gmtime),
        cpu => $model || 'unknown', cores => scalar @cores,
        memory_mb => int($memory / 1024),
        kernel => (POSIX::uname())[2], nginx => $nginx, redis => $redis,
        openssl => $openssl,
    };
}


sub machine_line {
    my ($m) = @_;
    return "$m->{cpu}, $m->{cores} cores, $m->{memory_mb} MB, "
        . "Linux $m->{kernel}, NGINX $m->{nginx}, OpenSSL $m->{openssl}, "
        . "Redis $m->{redis}; $m->{date}";
}


sub write_json {
    my ($path, $data) = @_;
    return write_text($path, JSON::PP->new->canonical->pretty->encode($data));
}


sub write_text {
    my ($path, $text) = @_;

    open my $file, '>', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
    return;
}


# rows of cells; the first row is the head.  Text is to the left, the rest to
# the right

sub text_table {
    my (@rows) = @_;

    my @width;
    for my $row (@rows) {
        for my $i (0 .. $#$row) {
            my $length = length $row->[$i];
            $width[$i] = $length if $length > ($width[$i] || 0);
        }
    }
    return join '', map {
        my $row = $_;
        join('  ', map {
            sprintf $_ ? "%$width[$_]s" : "%-$width[$_]s", $row->[$_]
        } 0 .. $#$row) . "\n";
    } @rows;
}


sub markdown_table {
    my ($head, @rows) = @_;

    return join '', map { "| $_ |\n" } join(' | ', @$head),
        join('|', '---', map { '---:' } 1 .. $#$head) =~ s/^/ /r,
        map { join ' | ', @$_ } @rows;
}

1;
