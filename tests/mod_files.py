"""Mod files for tests, each with some of what people write; the numbers are choices."""

from pathlib import Path
from textwrap import dedent

MODS = {
    # the Hodgkin-Huxley channels in one: three currents, a table, locals, a trap
    "Hx": """
        TITLE Three currents
        NEURON {
            SUFFIX Hx
            USEION na READ ena WRITE ina
            USEION k READ ek WRITE ik
            NONSPECIFIC_CURRENT il
            RANGE gnabar, gkbar, gl, el, gna
            GLOBAL minf, mtau
            THREADSAFE
        }
        UNITS { (mV) = (millivolt) (S) = (siemens) (mA) = (milliamp) }
        PARAMETER { gnabar = .12 (S/cm2) <0,1e9> gkbar = .036 (S/cm2) gl = .0003 (S/cm2)
            el = -54.3 (mV) }
        STATE { m h n }
        ASSIGNED { v (mV) celsius (degC) ena (mV) ek (mV) ina (mA/cm2) ik (mA/cm2) il (mA/cm2)
            gna (S/cm2) minf hinf ninf mtau (ms) htau (ms) ntau (ms) }
        BREAKPOINT {
            SOLVE states METHOD cnexp
            gna = gnabar*m^3*h
            ina = gna*(v - ena)
            ik = gkbar*n*n*n*n*(v - ek)
            il = gl*(v - el)
        }
        INITIAL { rates(v) m = minf h = hinf n = ninf }
        DERIVATIVE states { rates(v) m' = (minf-m)/mtau h' = (hinf-h)/htau n' = (ninf-n)/ntau }
        PROCEDURE rates(v (mV)) {
            LOCAL alpha, beta, q
            TABLE minf, mtau, hinf, htau, ninf, ntau DEPEND celsius FROM -100 TO 100 WITH 200
            UNITSOFF
            q = 3^((celsius - 6.3)/10)
            alpha = .1*vtrap(-(v+40), 10)  beta = 4*exp(-(v+65)/18)
            mtau = 1/(q*(alpha + beta))  minf = alpha/(alpha + beta)
            alpha = .07*exp(-(v+65)/20)  beta = 1/(exp(-(v+35)/10) + 1)
            htau = 1/(q*(alpha + beta))  hinf = alpha/(alpha + beta)
            alpha = .01*vtrap(-(v+55), 10)  beta = .125*exp(-(v+65)/80)
            ntau = 1/(q*(alpha + beta))  ninf = alpha/(alpha + beta)
            UNITSON
        }
        FUNCTION vtrap(x, y) {
            if (fabs(x/y) < 1e-6) { vtrap = y*(1 - x/y/2) } else { vtrap = x/(exp(x/y) - 1) }
        }
        """,
    # as the Blue Brain Project writes them: a shifted voltage, branches, a factor of 34 degC
    "Kx": """
        :Comment : A persistent K current
        NEURON { SUFFIX Kx USEION k READ ek WRITE ik RANGE gKxbar, gKx, ik }
        PARAMETER { gKxbar = 0.00001 (S/cm2) }
        ASSIGNED { v (mV) ek (mV) ik (mA/cm2) gKx (S/cm2) mInf mTau hInf hTau }
        STATE { m h }
        BREAKPOINT { SOLVE states METHOD cnexp gKx = gKxbar*m*m*h ik = gKx*(v-ek) }
        DERIVATIVE states { rates() m' = (mInf-m)/mTau h' = (hInf-h)/hTau }
        INITIAL { rates() m = mInf h = hInf }
        PROCEDURE rates() {
            LOCAL qt
            qt = 2.3^((34-21)/10)
            v = v + 10
            mInf = (1/(1 + exp(-(v+1)/12)))
            if (v < -50) {
                mTau = (1.25+175.03*exp(-v * -0.026))/qt
            } else {
                mTau = ((1.25+13*exp(-v*0.026)))/qt
            }
            hInf = 1/(1 + exp(-(v+54)/-11))
            hTau = (360+(1010+24*(v+55))*exp(-((v+75)/48)^2))/qt
            v = v - 10
        }
        """,
    "Cx": """
        NEURON { SUFFIX Cx USEION ca READ eca WRITE ica RANGE gCxbar, ica }
        PARAMETER { gCxbar = 0.00001 (S/cm2) }
        ASSIGNED { v (mV) eca (mV) ica (mA/cm2) mInf mTau mAlpha mBeta }
        STATE { m }
        BREAKPOINT { SOLVE states METHOD cnexp ica = gCxbar*m*m*(v-eca) }
        DERIVATIVE states { rates() m' = (mInf-m)/mTau }
        INITIAL { rates() m = mInf }
        PROCEDURE rates() {
            if ((v == -27)) { v = v+0.0001 }
            mAlpha = (0.055*(-27-v))/(exp((-27-v)/3.8) - 1)
            mBeta = (0.94*exp((-75-v)/17))
            mInf = mAlpha/(mAlpha + mBeta)
            mTau = 1/(mAlpha + mBeta)
        }
        """,
    # a current by Goldman, Hodgkin and Katz, and a factor that INITIAL alone computes
    "Gx": """
        NEURON { SUFFIX Gx USEION ca READ cai, cao WRITE ica RANGE pbar, shift GLOBAL q }
        UNITS { FARADAY = (faraday) (coulomb) R = (k-mole) (joule/degC) }
        PARAMETER { pbar = .2e-4 (cm/s) shift = 2 (mV) q = 2.5 cai (mM)
            cao (mM) celsius (degC) v (mV) }
        STATE { m h }
        ASSIGNED { ica (mA/cm2) phi th }
        BREAKPOINT { SOLVE castate METHOD cnexp ica = pbar*m*m*h*ghk(v, cai, cao) }
        DERIVATIVE castate {
            evaluate(v)
            m' = (1/(1 + exp(-(v+shift+57)/6.2)) - m)/(0.6 + 1/phi)
            h' = (1/(1 + exp((v+shift+81)/4)) - h)/th
        }
        INITIAL {
            phi = q^((celsius-24)/10)
            evaluate(v)
            m = 1/(1 + exp(-(v+shift+57)/6.2))
            h = 1/(1 + exp((v+shift+81)/4))
        }
        PROCEDURE evaluate(v (mV)) {
            if (v + shift < -80) { th = exp((v+shift+467)/66.6)/phi }
            else if (v > 30 || v < -200) { th = 28/phi }
            else { th = (28 + exp(-(v+shift+22)/10.5))/phi }
        }
        FUNCTION ghk(v (mV), ci (mM), co (mM)) (.001 coul/cm3) {
            LOCAL z, eci, eco
            z = (1e-3)*2*FARADAY*v/(R*(celsius+273.15))
            eco = co*efun(z)
            eci = ci*efun(-z)
            ghk = (.001)*2*FARADAY*(eci - eco)
        }
        FUNCTION efun(z) {
            if (fabs(z) < 1e-4) { efun = 1 - z/2 } else { efun = z/(exp(z) - 1) }
        }
        """,
    # calcium under another name, by implicit Euler
    "Px": """
        NEURON { SUFFIX Px USEION ca READ ica, cai WRITE cai RANGE depth, taur, cainf }
        UNITS { FARADAY = (faraday) (coulomb) }
        PARAMETER { depth = .1 (um) taur = 20 (ms) cainf = 1e-4 (mM) cai (mM) }
        STATE { ca (mM) }
        ASSIGNED { ica (mA/cm2) drive (mM/ms) }
        BREAKPOINT { SOLVE state METHOD derivimplicit }
        DERIVATIVE state {
            drive = -(10000)*ica*0.05/(2*FARADAY*depth)
            if (drive <= 0.) { drive = 0. }
            ca' = drive + (cainf-ca)/taur
            cai = ca
        }
        INITIAL { ca = cainf cai = ca }
        """,
    "Sx": """
        NEURON { SUFFIX Sx USEION k READ ek WRITE ik USEION ca READ cai RANGE gbar GLOBAL zTau }
        PARAMETER { v (mV) gbar = .000001 (mho/cm2) zTau = 1 (ms) ek (mV) cai (mM) }
        ASSIGNED { zInf ik (mA/cm2) g (S/cm2) }
        STATE { z FROM 0 TO 1 }
        BREAKPOINT { SOLVE states METHOD cnexp g = gbar*z ik = g*(v - ek) }
        DERIVATIVE states { rates(cai) z' = (zInf - z)/zTau }
        PROCEDURE rates(ca (mM)) {
            if (ca < 1e-7) { ca = ca + 1e-07 }
            zInf = 1/(1 + (0.00043/ca)^4.8)
        }
        INITIAL { rates(cai) z = zInf }
        """,
    # a kinetic scheme that begins in its steady state
    "Nx": """
        NEURON { SUFFIX Nx USEION na READ ena WRITE ina RANGE gbar }
        PARAMETER { gbar = .015 (S/cm2) k1 = 3 (/ms) off = .4 (/ms) }
        ASSIGNED { v (mV) ena (mV) ina (mA/cm2) celsius (degC) a (/ms) b (/ms) }
        STATE { C1 C2 O I }
        BREAKPOINT { SOLVE scheme METHOD sparse ina = gbar*O*(v - ena) }
        INITIAL { SOLVE scheme STEADYSTATE sparse }
        KINETIC scheme {
            rates(v)
            ~ C1 <-> C2 (2*a, b)
            ~ C2 <-> O (a, 2*b)
            ~ O <-> I (off, .02)
            ~ I <-> C1 (.01*b, .002)
            CONSERVE C1 + C2 + O + I = 1
        }
        PROCEDURE rates(v (mV)) {
            LOCAL qt
            qt = 2.3^((celsius - 37)/10)
            a = qt*k1*exp((v + 30)/24)
            b = qt*4*exp(-(v + 30)/24)
        }
        """,
    # as in old files: a procedure advances the states with dt, and the current has no (v - e)
    "Ox": """
        NEURON { SUFFIX Ox USEION k READ ek WRITE ik RANGE gbar GLOBAL ninf, nexp }
        PARAMETER { v (mV) ek (mV) dt (ms) gbar = .003 (S/cm2) }
        STATE { n }
        ASSIGNED { ik (mA/cm2) ninf nexp }
        INITIAL { rates(v) n = ninf }
        BREAKPOINT { SOLVE states ik = gbar*n*v - gbar*n*ek }
        PROCEDURE states() {
            rates(v)
            n = n + nexp*(ninf - n)
            VERBATIM
            return 0;
            ENDVERBATIM
        }
        PROCEDURE rates(v) { ninf = 1/(1 + exp(-(v + 45)/9)) nexp = 1 - exp(-dt/3) }
        """,
    # activation that follows the voltage, a state that follows another one, a start of its own
    "Ix": """
        NEURON { SUFFIX Ix NONSPECIFIC_CURRENT i RANGE gbar, e }
        PARAMETER { gbar = 1e-4 (S/cm2) e = -20 (mV) }
        ASSIGNED { v (mV) i (mA/cm2) }
        STATE { f s }
        BREAKPOINT { SOLVE states METHOD cnexp i = gbar/(1 + exp(-(v + 50)/8))*s*(v - e) }
        DERIVATIVE states { f' = (1/(1 + exp((v + 60)/7)) - f)/9 s' = 0.2*f*(1 - s) - 0.1*s }
        INITIAL { f = 0.3 s = f/2 }
        """,
}


#: Two conductances, of which magnesium blocks one.
SYNAPSE = """
    NEURON { POINT_PROCESS NmSyn RANGE tau1, tau2, ta, e, i, g, mg, ratio NONSPECIFIC_CURRENT i }
    PARAMETER { tau1 = 2 (ms) tau2 = 30 (ms) ta = 2 (ms) e = 0 (mV) mg = 1 (mM) ratio = 0.7 }
    ASSIGNED { v (mV) i (nA) g (uS) ia (nA) factor }
    STATE { A (uS) B (uS) C (uS) }
    INITIAL {
        LOCAL tp
        if (tau1/tau2 > .9999) { tau1 = .9999*tau2 }
        A = 0 B = 0 C = 0
        tp = (tau1*tau2)/(tau2 - tau1)*log(tau2/tau1)
        factor = -exp(-tp/tau1) + exp(-tp/tau2)
        factor = 1/factor
    }
    BREAKPOINT {
        SOLVE state METHOD cnexp
        g = (B - A)*mgblock(v)
        ia = C*(v - e)
        i = g*(v - e) + ia
    }
    DERIVATIVE state { A' = -A/tau1 B' = -B/tau2 C' = -C/ta }
    NET_RECEIVE(weight (uS)) {
        A = A + weight*factor*ratio
        B = B + weight*factor*ratio
        C = C + weight
    }
    FUNCTION mgblock(v) { mgblock = 1/(1 + exp(0.062*-v)*(mg/3.57)) }
    """
#: With which a compartment of ``mod_neuron`` fires under 0.6 nA.
DENSITIES = {
    "Hx": {"gnabar": 0.5}, "Kx": {"gKxbar": 1e-3}, "Cx": {"gCxbar": 1e-4}, "Gx": {"pbar": 1e-5},
    "Px": {}, "Nx": {}, "Sx": {"gbar": 1e-4}, "Ox": {"gbar": 3e-4}, "Ix": {},
}  # fmt: skip


def write_mods(folder: Path, names=tuple(MODS)) -> list[Path]:
    """Write some of them to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.mod" for name in names]
    for path in paths:
        path.write_text(dedent(MODS[path.stem]))
    return paths
