/* DL4J: a listener writes the gradients of each iteration as .npy files, a folder for each step. Make a dump of each folder with
 * `numpy.savez(f"{folder}.npz", **{path.stem: numpy.load(path) for path in folder.glob("*.npy")})`. No test runs this one. */

// --- recipe
import java.io.File;
import java.util.Map;
import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.optimize.api.BaseTrainingListener;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

public class DumpingListener extends BaseTrainingListener {
    private final File folder;
    private int step = 0;

    public DumpingListener(File folder) {
        this.folder = folder;
    }

    /** Called after the backward pass and before the updater, where DL4J normalises gradients. */
    @Override
    public void onGradientCalculation(Model model) {
        File own = new File(folder, String.format("step_%06d", step++));
        own.mkdirs();
        for (Map.Entry<String, INDArray> one : model.gradient().gradientForVariable().entrySet()) {
            Nd4j.writeAsNumpy(one.getValue(), new File(own, one.getKey() + ".npy"));
        }
    }
}
// --- end
