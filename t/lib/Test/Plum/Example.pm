package Test::Plum::Example;

# A configuration of conf/, as a test loads it.
#
#   my $t = example('minimal.conf', secrets => {'api-key' => $KEY});
#   my $up = $t->upstream('up8080');      # 127.0.0.1:8080 of the file
#   $t->run;
#   $t->deliver(port => 'listen443', tls => 1, ...);
#
# What example() takes: secrets {file of /etc/nginx/plum => its text}, address
# {address => another one}, lines (90: as many as it may have), warned (a
# pattern of all that "nginx -t" warns of; none).
# slurp() reads a file of the repository.

use strict;
use warnings;

use Exporter qw(import);
use File::Copy qw(copy);
use Test::More;

use Test::Plum;
use Test::Plum::Process qw(run_command);

our @EXPORT_OK = qw(example slurp);


# the file as it stands, but for what a test cannot have

sub example {
    my ($name, %opt) = @_;

    # what "worker_processes auto" makes
    my (undef, $cpus) = run_command('getconf', '_NPROCESSORS_ONLN');
    my $t = Test::Plum->new(workers => 0 + $cpus);
    my $dir = $t->dir;
    my $text = slurp("conf/$name");
    my $own = join "\n", $t->load_lines, 'daemon off;',
        $ENV{PLUM_TEST_GLOBALS} || ();

    cmp_ok(scalar(split /\n/, $text), '<=', $opt{lines} || 90, 'lines');
    for my $address (keys %{$opt{address} || {}}) {
        $text =~ s/\Q$address\E/$opt{address}{$address}/g;
    }
    $text =~ s{^load_module \S+;$}{$own}m;
    $text =~ s{/(?:etc/nginx/plum|var/log/nginx|run)/}{$dir/}g;
    $text =~ s{(\blisten\x20)(\d+)(?![\d.])|\b127\.0\.0\.1:(\d+)}{
        $1 ? $1 . '127.0.0.1:' . $t->port("listen$2")
            : '127.0.0.1:' . $t->port("up$3")}gex;
    $t->write_file('nginx.conf', $text);

    $t->certificates;
    copy("$dir/server.$_", "$dir/tls.$_") for qw(crt key);
    copy("$dir/ca.crt", "$dir/sender-ca.crt");
    $t->secret($_, "$opt{secrets}{$_}\n") for keys %{$opt{secrets}};

    my $warned = $opt{warned} || qr/\A\z/;
    my ($status, $said) = run_command($t->{nginx}, '-t', '-p', "$dir/",
        '-c', "$dir/nginx.conf", '-e', "$dir/test.log");
    is($status, 0, 'nginx -t') or diag($said);
    my @warnings = grep { /\[warn\]/ && !/"user" directive/ }
        split /\n/, $said;
    like(join("\n", @warnings), $warned, 'its warnings');
    return $t;
}


sub slurp {
    my ($name) = @_;

    my $root = Test::Plum::root();
    open my $file, '<:raw', "$root/$name" or die "$name: $!\n";
    local $/;
    return scalar <$file>;
}

1;
